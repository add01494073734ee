"""Decides how a plan is shown in a terminal, and how a person chooses there what of it may happen."""

from __future__ import annotations

import os
import re
import select
import termios
from collections.abc import Iterator
from contextlib import suppress

from anyio import to_thread
from rich.console import Console
from rich.text import Text

from toolscript.approvals.plan import ApprovedPlan, Plan, PlanRow
from toolscript.approvals.terminal import DEVICE
from toolscript.approvals.visible import one_line, visible
from toolscript.errors import ApprovalUnavailable, ConfigError
from toolscript_extension.cli.show import brief

STYLES = {"+": "green", "-": "red", "@": "cyan"}
QUESTION = "Carry out: [a]ll that is not denied, the numbers of rows (such as 1 3), or [n]one: "


def show(plan: Plan, console: Console) -> None:
    """Print a plan: each effect in order with what it assumes, asks or is denied for, and its diff."""
    for line in lines(plan):
        console.print(line, soft_wrap=True)


def lines(plan: Plan) -> Iterator[Text]:
    """Yield a plan as lines of text in which nothing acts."""
    count = len(plan.rows)
    end = f", up to line {plan.line}" if plan.line is not None else ""
    yield Text(
        f"plan: {count} effect{'' if count == 1 else 's'} ({plan.status}{end}); nothing is done yet", style="bold"
    )
    for row in plan.rows:
        yield Text.assemble(
            (f"  #{row.number} ", "bold"), (row.tool, "bold"), f" {one_line(row.summary) or brief(row.arguments)}",
            (f"  [{row.effect}{f', line {row.line}' if row.line is not None else ''}]", "dim"),
        )  # fmt: skip
        yield from (Text(f"      {note}", style="red" if row.denied else "yellow") for note in notes(row))
        for line in visible(row.diff).splitlines() if row.diff else ():
            yield Text(f"      {line}", style=STYLES.get(line[:1], ""))


def notes(row: PlanRow) -> list[str]:
    """Return what a person should know of a row besides what it does."""
    found = [f"denied: {one_line(row.denied)}"] if row.denied else []
    found += [f"it would ask: {one_line(row.asks)}"] if row.asks else []
    found += ["the dry run could not go on from here: nobody knows what it would answer"] if row.waits else []
    if row.assumes:
        named = " and ".join(f"#{number}" for number in row.assumes)
        verb = "succeeds" if len(row.assumes) == 1 else "succeed"
        found.append(f"if {named} {verb}; which files that changes is unknown")
    return found if row.undoable else [*found, "it cannot be undone"]


async def choose(plan: Plan, device: str = DEVICE) -> ApprovedPlan | None:
    """Ask on the terminal which rows may be carried out; None for none of them.

    Raises ApprovalUnavailable where there is no terminal. Cancelled, it asks no longer: a process cannot end while a
    thread of it waits for a line.
    """
    stopped, stop = os.pipe()
    try:
        return await to_thread.run_sync(_choose, plan, device, stopped, abandon_on_cancel=True)
    finally:
        os.close(stop)


def check_terminal(device: str = DEVICE) -> None:
    """Raise ApprovalUnavailable where there is no terminal at which a person could choose."""
    os.close(_opened(device))


def _opened(device: str) -> int:
    try:
        return os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise ApprovalUnavailable(
            "--plan lets a person choose at a terminal, and there is none; --dry-run only shows", tool="plan"
        ) from None


def _choose(plan: Plan, device: str, stopped: int) -> ApprovedPlan | None:
    fd = _opened(device)
    with os.fdopen(fd, "r+b", buffering=0), os.fdopen(stopped, "rb"):
        console = Console(file=os.fdopen(os.dup(fd), "w", encoding="utf-8", errors="replace"), highlight=False)
        with console.file:
            show(plan, console)
            while True:
                # What was typed before the question stands there answers nothing.
                with suppress(termios.error):
                    termios.tcflush(fd, termios.TCIFLUSH)
                console.print(QUESTION, end="", markup=False)
                console.file.flush()
                answer = _line(fd, stopped)
                if not answer:
                    return None  # stopped, or the terminal was closed: nobody said yes
                try:
                    return read_choice(answer, plan)
                except ConfigError as error:
                    console.print(Text(error.message))


def _line(fd: int, stopped: int) -> str:
    """Return the line that is typed next; empty where there will be none. ``stopped`` is readable when it is over."""
    typed = bytearray()
    while not typed.endswith(b"\n"):
        ready, _, _ = select.select([fd, stopped], [], [])
        if stopped in ready or not (chunk := os.read(fd, 4096)):
            return ""
        typed += chunk
    return typed.decode(errors="replace")


def read_choice(answer: str, plan: Plan) -> ApprovedPlan | None:
    """Return the plan as a typed line approves it; None for none. Raises ConfigError for anything unclear."""
    word = answer.strip().lower()
    if word in ("n", "no", "none"):
        return None
    if word in ("a", "all"):
        return plan.approve(by="terminal")
    if not re.fullmatch(r"#?\d{1,6}([\s,]+#?\d{1,6})*", word):
        raise ConfigError("Type a, n, or numbers of rows, and Enter.")
    return plan.approve([int(number) for number in re.findall(r"\d+", word)], by="terminal")
