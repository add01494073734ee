"""Decides how runs and turns whose host died are gone on with from a shell."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from toolscript.agent.turn import Turn
from toolscript.approvals.terminal import TerminalDecider
from toolscript.errors import ConfigError, StillInterrupted, ToolscriptError
from toolscript.harness import Harness
from toolscript.interrupted import cut_short
from toolscript.journal.conversation import conversation_path
from toolscript.journal.reader import records
from toolscript.journal.state import RunFile, interrupted, is_name, state_dir
from toolscript.language.inert import visible
from toolscript.recovery.history import first_record
from toolscript.recovery.tape import Tape
from toolscript.recovery.unknown import Resolution
from toolscript.run import Run
from toolscript.texts import loads
from toolscript_extension.cli.exits import Exit, exit_code, turn_exit_code
from toolscript_extension.cli.show import Terminal, describe_error, json_text, notify, notify_unserved
from toolscript_extension.cli.streams import screen

DIGITS = 9
"""No call has a number of more."""
WAITS = frozenset({"outcome_unknown", "consent_needed"})


def command(
    name: Annotated[
        str | None,
        typer.Argument(
            help="The id of a run, or of a conversation whose turn was cut short; without it, they are listed.",
            metavar="RUN|CONVERSATION",
        ),
    ] = None,
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
    """Go on with a run or turn whose host died: what had ended is not done again."""
    if name is None:
        _list(workspace)
        return
    given = dict(_outcome(text) for text in outcome or ())
    console = screen(stderr=True)
    harness = Harness(workspace)
    notify(harness.configuration, console)
    turn = is_name(name) and conversation_path(harness.state, name).is_file()
    if turn and given:
        raise ConfigError(f"--outcome answers for calls of a run; resume the runs of {name} first, then the turn")
    try:
        done = asyncio.run(_resume(harness, name, given, console, quiet=as_json, turn=turn))
    except StillInterrupted as error:
        console.print(Text(visible(f"toolscript: {error.message}"), style="red"), soft_wrap=True)
        raise typer.Exit(Exit.DENIED if error.code in WAITS else Exit.FAILED) from None
    if isinstance(done, Turn):
        _tell_turn(done, console, as_json=as_json)
    if as_json:
        sys.stdout.write(json_text(done.to_json()) + "\n")
    elif done.result is not None:
        sys.stdout.write(json_text(done.result) + "\n")
    raise typer.Exit(exit_code(done))


async def _resume(
    harness: Harness, name: str, given: dict[int, Resolution], console: Console, *, quiet: bool, turn: bool
) -> Run | Turn:
    async with harness:
        await notify_unserved(harness, console)
        watched = nullcontext() if quiet else harness.listening(Terminal(console))
        with TerminalDecider.attached(harness.approvals), watched:
            return await (harness.resume_turn(name) if turn else harness.resume(name, outcomes=given))


def _tell_turn(turn: Turn, console: Console, *, as_json: bool) -> NoReturn:
    """Print what a turn came to: its answer on stdout, why there is none on stderr."""
    if as_json:
        told = {
            "turn_id": turn.turn_id, "status": turn.status, "reason": turn.reason, "text": turn.text,
            "steps": turn.steps, "error": turn.error, "runs": [run.to_json() for run in turn.runs],
        }  # fmt: skip
        sys.stdout.write(json_text(told) + "\n")
    else:
        if turn.text:
            sys.stdout.write(visible(turn.text) + "\n")
        if turn.error is not None:
            console.print(Text(f"toolscript: {describe_error(turn.error)}", style="red"), soft_wrap=True)
        elif turn.status != "completed":
            console.print(
                Text(visible(f"the turn ended: {turn.status} ({turn.reason})"), style="yellow"), soft_wrap=True
            )
    raise typer.Exit(turn_exit_code(turn.status, turn.reason, turn.error))


def _list(workspace: Path) -> None:
    console, found = screen(), False
    for turn in cut_short(state_dir(workspace)):
        found = True
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(turn.modified))
        said = ascii(" ".join(turn.prompt.split())[:60])[1:-1]
        console.print(Text(f"{turn.conversation_id}  {when}  turn of {ascii(turn.agent)[1:-1]}: {said}"))
    for file in sorted(interrupted(state_dir(workspace)), key=_began):
        try:
            tape = Tape.read(records(file.path, unknown="skip"))
        except ToolscriptError as error:
            console.print(Text(visible(f"{file.run_id}  cannot be read: {error.message}"), style="red"))
            continue
        if tape.end is None:
            found = True
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(tape.run.time_ms / 1000))
            first = next((line.strip() for line in tape.run.source.splitlines() if line.strip()), "")
            console.print(Text(f"{file.run_id}  {when}  {visible(first[:60])}"))
    if not found:
        console.print("No run and no turn was interrupted here.")


def _began(file: RunFile) -> int:
    first = first_record(file.path)
    return 0 if first is None else first.time_ms


def _outcome(text: str) -> tuple[int, Resolution]:
    number, equals, value = text.partition("=")
    if not equals or not number.isdecimal() or len(number) > DIGITS:
        raise ConfigError(f"--outcome takes NUMBER=again, NUMBER=fail or NUMBER=JSON, got {text!r}")
    if value == "again":
        return int(number), Resolution(kind="again")
    if value == "fail":
        return int(number), Resolution(kind="fail")
    try:
        return int(number), Resolution(kind="happened", outcome=loads(value))
    except ValueError:
        raise ConfigError(f"--outcome {number}: {value!r} is neither again, nor fail, nor JSON") from None
