"""Decides how recorded runs are replayed and audited from a shell."""

from __future__ import annotations

import asyncio
import math
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from toolscript.agent.configuration import load as load_configuration
from toolscript.approvals.terminal import TerminalDecider
from toolscript.errors import ConfigError, JournalError
from toolscript.harness import Harness
from toolscript.journal.audit import EndSeen, Entry, ScriptSeen, audit, entry_json, entry_text
from toolscript.journal.reader import is_journal, records
from toolscript.journal.state import run_path, state_dir
from toolscript.language.inert import visible
from toolscript.recovery.follow import Divergence
from toolscript.recovery.live import Difference, differences
from toolscript.recovery.notebook import found, saved_cells, unspoken
from toolscript.recovery.replay import Replayed, replay
from toolscript.recovery.tape import Tape, bearable, recorded_limits
from toolscript.registry.registry import Registry, installed_tools, tools_digest
from toolscript.runtime.identity import installation
from toolscript.runtime.pool import Pool
from toolscript.texts import loads
from toolscript_extension.cli.exits import Exit
from toolscript_extension.cli.show import json_text, notify, notify_unserved
from toolscript_extension.cli.streams import screen

File = Annotated[
    str, typer.Argument(help="A journal, the id of a run in this workspace, or a notebook.", metavar="FILE|RUN")
]
Workspace = Annotated[Path, typer.Option(help="The directory that the run worked in.")]


def journal_of(name: str, workspace: Path) -> Path:
    """Return the journal of this name: a path, or a run's id. Raises ConfigError when there is none."""
    path = Path(name)
    if path.is_file():
        if not is_journal(path):
            raise ConfigError(f"{name} is not a journal; give one, the id of a run in this workspace, or a notebook")
        return path
    if (found_here := _journal(name, workspace)) is None:
        raise ConfigError(f"there is no journal {name!r}, neither as a file nor as a run of {workspace.resolve()}")
    return found_here


def replay_command(
    file: File,
    workspace: Workspace = Path(),
    live: Annotated[bool, typer.Option("--live", help="Run for real, and show what changed (exit 1).")] = False,
) -> None:
    """Replay a recorded run without touching a tool: the same result and logs must come out.

    The first difference ends it with exit code 1. A notebook is replayed cell by cell, from what is saved in it:
    journals are needed only for what it had no room for.
    """
    console = screen(stderr=True)
    if live:
        notify(load_configuration(workspace.resolve()), console)
    if file.endswith(".ipynb"):
        _replay_notebook(Path(file), workspace, console, live=live)
    else:
        tape = Tape.read(records(journal_of(file, workspace), unknown="skip"))
        (_live if live else _replay_one)(tape, workspace, console)


def _replay_notebook(path: Path, workspace: Path, console: Console, *, live: bool) -> None:
    for cell in saved_cells(path):
        for run in cell.runs:
            if run.idle:
                console.print(Text(f"cell {run.cell}: {run.idle}, nothing to replay"), soft_wrap=True)
        tapes = [found(run, _journal(run.run_id, workspace)) for run in cell.runs if not run.idle]
        if cell.runs and not tapes:
            continue
        what = "turn" if cell.prompt is not None else "script"
        console.print(
            Text(f"cell {cell.number}: {what}, {len(tapes)} run{'' if len(tapes) == 1 else 's'}"), soft_wrap=True
        )
        if not live and (divergence := unspoken(cell, tapes)) is not None:
            _diverged(divergence, console)
        for tape in tapes:
            (_live if live else _replay_one)(tape, workspace, console)


def _journal(name: str, workspace: Path) -> Path | None:
    try:
        path = run_path(state_dir(workspace), name)
    except JournalError:  # no id of a run; a hostile notebook's may be anything
        return None
    return path if path.is_file() else None


def _diverged(divergence: Divergence, console: Console) -> NoReturn:
    console.print(Text(visible(f"diverged\n{divergence}"), style="red"), soft_wrap=True)
    raise typer.Exit(Exit.FAILED)


def _replay_one(tape: Tape, workspace: Path, console: Console) -> None:
    replayed = asyncio.run(_replay(tape))
    for line in replayed.logs:
        console.print(Text(visible(line.text)), soft_wrap=True)
    if replayed.divergence is not None:
        _diverged(replayed.divergence, console)
    what = "the same" if replayed.outcome == "same" else "the same up to where the recorded run was ended"
    console.print(Text(f"replayed: {what}", style="green"), soft_wrap=True)
    if replayed.result is not None:
        sys.stdout.write(json_text(replayed.result) + "\n")


async def _replay(tape: Tape) -> Replayed:
    tools = tools_digest(Registry(installed_tools()).select(allowed=tape.run.allowed_tools))
    tape = bearable(tape)
    async with Pool(limits=recorded_limits(tape.run)) as pool:
        return await replay(tape, pool, digests={**installation(), "tools": tools})


def _live(tape: Tape, workspace: Path, console: Console) -> None:
    run_id, changed = asyncio.run(_run_again(tape, workspace, console))
    for difference in changed:
        console.print(Text(visible(str(difference))), soft_wrap=True)
    console.print(Text(f"run {run_id}", style="dim"), soft_wrap=True)
    console.print(
        Text(f"ran for real: {len(changed) or 'nothing'} changed", style="yellow" if changed else "green"),
        soft_wrap=True,
    )
    if changed:
        raise typer.Exit(Exit.FAILED)


async def _run_again(tape: Tape, workspace: Path, console: Console) -> tuple[str, tuple[Difference, ...]]:
    run = tape.run
    try:
        params = loads(run.params)
    except ValueError as error:
        raise ConfigError(f"{run.run_id}: its params are no JSON: {error}") from None
    async with Harness(workspace) as harness:
        await notify_unserved(harness, console)
        with TerminalDecider.attached(harness.approvals):
            again = await harness.run(
                run.source, params=params, last_expression=run.last_expression,
                allowed_tools=run.allowed_tools,
            )  # fmt: skip
        now = list(records(run_path(harness.state, again.run_id)))
    return again.run_id, differences(tape.records, now)


def audit_command(
    file: File,
    workspace: Workspace = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line for each entry.")] = False,
) -> None:
    """Show what a run did: tools, durations, approvals with who and when, and how it ended.

    Of a notebook, each run is told whose journal is in this workspace: who consented is written down only there.
    """
    if file.endswith(".ipynb"):
        _audit_notebook(Path(file), workspace, as_json=as_json)
    else:
        _tell(journal_of(file, workspace), as_json=as_json)


def _audit_notebook(path: Path, workspace: Path, *, as_json: bool) -> None:
    console, missing = screen(stderr=True), False
    for run in (run for cell in saved_cells(path) for run in cell.runs):
        journal = None if run.idle else _journal(run.run_id, workspace)
        if journal is not None:
            console.print(Text(visible(f"cell {run.cell}: {run.run_id}")), soft_wrap=True)
            _tell(journal, as_json=as_json)
            continue
        missing = missing or not run.idle
        gone = (
            f"the journal of {run.run_id} is not in this workspace's state directory, and only it tells who consented"
        )
        why = f"{run.idle}, nothing to audit" if run.idle else gone
        console.print(Text(visible(f"cell {run.cell}: {why}")), soft_wrap=True)
    if missing:
        raise typer.Exit(Exit.FAILED)


def _tell(journal: Path, *, as_json: bool) -> None:
    entries = audit(journal)
    for entry in entries if as_json else sorted(entries, key=_place):
        sys.stdout.write((json_text(entry_json(entry), None) if as_json else entry_text(entry)) + "\n")


def _place(entry: Entry) -> float:
    """Return where people look for an entry: the run first, its calls by their numbers, its end last."""
    match entry:
        case ScriptSeen():
            return -1
        case EndSeen():
            return math.inf
        case _:
            return entry.number
