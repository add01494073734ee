"""Decides how a run whose host died is gone on with from a shell."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.text import Text

from toolscript.approvals.terminal import TerminalDecider
from toolscript.errors import ConfigError, StillInterrupted, ToolscriptError
from toolscript.harness import Harness
from toolscript.journal.reader import records
from toolscript.journal.state import interrupted, state_dir
from toolscript.language.inert import visible
from toolscript.recovery.tape import Tape
from toolscript.recovery.unknown import Resolution
from toolscript.run import Run
from toolscript_extension.cli.exits import Exit, exit_code
from toolscript_extension.cli.show import Terminal
from toolscript_extension.cli.streams import screen

WAITS = frozenset({"outcome_unknown", "consent_needed"})


def command(
    run: Annotated[str | None, typer.Argument(help="The id of a run; without it, interrupted runs are listed.")] = None,
    workspace: Annotated[Path, typer.Option(help="The directory that the run worked in.")] = Path(),
    outcome: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome",
            metavar="NUMBER=again|fail|JSON",
            help="What to do about a call whose outcome nobody can know: run it again, fail it, or what it gave.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")] = False,
) -> None:
    """Go on with a run whose host died: what had ended is not done again."""
    if run is None:
        _list(workspace)
        return
    given = dict(_outcome(text) for text in outcome or ())
    console = screen(stderr=True)
    try:
        done = asyncio.run(_resume(Harness(workspace), run, given, None if as_json else Terminal(console)))
    except StillInterrupted as error:
        console.print(Text(f"toolscript: {error.message}", style="red"))
        raise typer.Exit(Exit.DENIED if error.code in WAITS else Exit.FAILED) from None
    if as_json:
        sys.stdout.write(orjson.dumps(done.to_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
    elif done.result is not None:
        sys.stdout.write(json.dumps(done.result, ensure_ascii=False, indent=2) + "\n")
    raise typer.Exit(exit_code(done))


async def _resume(harness: Harness, run_id: str, given: dict[int, Resolution], terminal: Terminal | None) -> Run:
    async with harness:
        with TerminalDecider.attached(harness.approvals):
            if terminal is None:
                return await harness.resume(run_id, outcomes=given)
            with harness.listening(terminal):
                return await harness.resume(run_id, outcomes=given)


def _list(workspace: Path) -> None:
    console, found = screen(), False
    for file in interrupted(state_dir(workspace)):
        try:
            tape = Tape.read(records(file.path, unknown="skip"))
        except ToolscriptError as error:
            console.print(Text(f"{file.run_id}  cannot be read: {error.message}", style="red"))
            continue
        if tape.end is None:
            found = True
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(file.modified))
            first = next((line.strip() for line in tape.run.source.splitlines() if line.strip()), "")
            console.print(Text(f"{file.run_id}  {when}  {visible(first[:60])}"))
    if not found:
        console.print("No run was interrupted here.")


def _outcome(text: str) -> tuple[int, Resolution]:
    number, equals, value = text.partition("=")
    if not equals or not number.isdecimal():
        raise ConfigError(f"--outcome takes NUMBER=again, NUMBER=fail or NUMBER=JSON, got {text!r}")
    if value == "again":
        return int(number), Resolution(kind="again")
    if value == "fail":
        return int(number), Resolution(kind="fail")
    try:
        return int(number), Resolution(kind="happened", outcome=json.loads(value))
    except ValueError:
        raise ConfigError(f"--outcome {number}: {value!r} is neither again, nor fail, nor JSON") from None
