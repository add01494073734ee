"""Decides how a script file is run from a shell: what goes to stdout, what to stderr, and the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from toolscript import parts  # noqa: F401 - loaded here, where Ctrl-C still just ends the command
from toolscript.approvals.choices import Policy
from toolscript.errors import ApprovalDenied, Json
from toolscript.events import BaseEvent, RunStatus
from toolscript.harness import Harness
from toolscript.language.inert import visible
from toolscript.run import Run
from toolscript_extension.cli.exits import exit_code
from toolscript_extension.cli.given import idle_value, limits_of, params_of, read_source
from toolscript_extension.cli.show import Terminal, escaped, json_text, notify, notify_unserved
from toolscript_extension.cli.streams import screen

if TYPE_CHECKING:
    from rich.console import Console

    from toolscript.approvals.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    source: str
    params: Json
    limits: dict[str, float]
    plan: bool
    dry_run: bool


def command(
    file: Annotated[str, typer.Argument(help="A TypeScript file, or - for standard input.", metavar="FILE.ts|-")],
    param: Annotated[
        list[str] | None,
        typer.Option("--param", help="A value that the script finds in params; once for each.", metavar="KEY=JSON"),
    ] = None,
    workspace: Annotated[Path, typer.Option(help="The directory that the script works in.")] = Path(),
    policy: Annotated[
        Policy | None, typer.Option(help="When consent is asked for; as configured, if left out.")
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", "--limits", help="A lower limit, such as calls=4.", metavar="NAME=NUMBER"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the effects that the script would have; nothing is changed.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show the effects first, and carry out those that you choose.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Print each event as a JSON line on stdout.")] = False,
) -> None:
    """Run a script and print its result.

    The result goes to stdout as JSON, what the script logs and does to stderr. Consent is asked for on the terminal.
    """
    if as_json and events:
        raise typer.BadParameter("choose one of --json and --events")
    if dry_run and (plan or events):
        raise typer.BadParameter(f"choose one of --dry-run and {'--plan' if plan else '--events'}")
    params, limits = params_of(param or ()), limits_of(limit or ())
    if plan:
        from toolscript_extension.cli import plan as planning

        planning.check_terminal()
    shown = screen(stderr=True)
    harness = Harness(workspace, policy=policy)
    source = read_source(file, harness.limits.source_bytes)
    notify(harness.configuration, shown)
    listener = _event_lines if events else Terminal(shown, quiet=as_json)
    order = _Order(source=source, params=params, limits=limits, plan=plan, dry_run=dry_run)
    run, made = asyncio.run(_run(harness, order, listener, shown))
    if made is not None and dry_run:
        _print_plan(made, run, as_json=as_json)
    if as_json:
        sys.stdout.write(json_text(run.to_json()) + "\n")
    elif not events and run.result is not None:
        sys.stdout.write(json_text(run.result) + "\n")
    elif not events and run.status is RunStatus.COMPLETED and (value := idle_value(source)) is not None:
        hint = f"the script ends in a value that it does not return; for a result: return {value}"
        shown.print(visible(hint), style="dim", soft_wrap=True)
    raise typer.Exit(exit_code(run))


def _print_plan(plan: Plan, run: Run, *, as_json: bool) -> NoReturn:
    if as_json:
        sys.stdout.write(json_text(plan.to_json()) + "\n")
    else:
        from toolscript_extension.cli import plan as planning

        planning.show(plan, screen())
    # A plan that ends where nobody knows an answer is all that there is to plan.
    raise typer.Exit(0 if run.status is RunStatus.ABORTED and plan.status == "partial" else exit_code(run))


async def _ordered(harness: Harness, order: _Order, seen: list[BaseEvent]) -> tuple[Run, Plan | None]:
    """Run the script, or plan it, or plan it and run what a person chooses of it."""
    run = partial(harness.run, order.source, params=order.params, limits=order.limits, origin="file")
    if not (order.plan or order.dry_run):
        return await run(), None
    plan = await harness.plan(order.source, params=order.params, limits=order.limits)
    planned = Run.fold(seen)
    if order.dry_run or (not plan.rows and planned.status is not RunStatus.COMPLETED):
        return planned, plan
    seen.clear()
    from toolscript_extension.cli import plan as planning

    approved = await planning.choose(plan) if plan.rows else plan.approve(by="terminal")
    if approved is None:
        raise ApprovalDenied("the plan was declined; nothing was done", tool="plan")
    return await run(plan=approved), plan


async def _run(
    harness: Harness, order: _Order, listener: Callable[[BaseEvent], None], shown: Console
) -> tuple[Run, Plan | None]:
    """Run the script; Ctrl-C and a polite kill stop it with its processes, and still give its run."""
    seen: list[BaseEvent] = []
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        with ExitStack() as stack:
            # Listening outlasts the harness: what it ends when it closes is told too.
            stack.enter_context(harness.listening(seen.append))
            stack.enter_context(harness.listening(listener))
            async with harness:
                await notify_unserved(harness, shown)
                with _asking(harness):
                    return await _ordered(harness, order, seen)
    except asyncio.CancelledError:
        task.uncancel()
        # Stopped at the question of a plan, no run has begun.
        return (Run.fold(seen) if seen else Run(status=RunStatus.ABORTED)), None


def _asking(harness: Harness) -> AbstractContextManager[object]:
    """Ask on the terminal while the block runs; without one, nothing of that is loaded."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return nullcontext()
    from toolscript.approvals.terminal import TerminalDecider

    return TerminalDecider.attached(harness.approvals)


def _event_lines(event: BaseEvent) -> None:
    sys.stdout.write(escaped(event.model_dump_json()) + "\n")
    sys.stdout.flush()
