"""Decides how file changes of runs are taken back from a shell, and how a person chooses where files changed since."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.prompt import Prompt
from rich.text import Text

from toolscript.errors import ConfigError, Json, ToolError
from toolscript.harness import Harness
from toolscript.journal.state import state_dir
from toolscript.language.inert import visible
from toolscript.recovery.history import changing, past_runs, undone_by
from toolscript.recovery.undo import Pick
from toolscript.run import Run
from toolscript_extension.cli.exits import Exit, exit_code
from toolscript_extension.cli.show import json_text
from toolscript_extension.cli.streams import screen

LISTED = 20
"""How many of the latest runs are listed."""


def command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="RUN|TURN", help="Runs or turns; without any, runs are listed.")
    ] = None,
    workspace: Annotated[Path, typer.Option(help="The directory that the runs worked in.")] = Path(),
    pick: Annotated[
        list[str] | None,
        typer.Option("--pick", metavar="PATH=keep|restore|merge", help="What becomes of a path that changed since."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")] = False,
) -> None:
    """Take back what runs changed in files: all of it or nothing.

    Effects of commands are named, not undone.
    """
    if not names:
        _list(workspace)
        return
    console = screen(stderr=True)
    picks = dict(_pick(text, workspace) for text in pick or ())
    try:
        run = asyncio.run(_undo(workspace, names, picks))
        if (run.error or {}).get("code") == "changed" and sys.stdin.isatty():
            # Asked outside of any loop: a thread that waits for a line would keep Ctrl-C from ending the process.
            run = asyncio.run(_undo(workspace, names, picks | _choices(_conflicts(run), console)))
    except ToolError as error:
        console.print(Text(visible(f"toolscript: {error.message}"), style="red"), soft_wrap=True)
        raise typer.Exit(Exit.USAGE if error.code == "not_found" else Exit.FAILED) from None
    if as_json:
        sys.stdout.write(json_text(run.to_json()) + "\n")
    else:
        _show(run, workspace, console)
    raise typer.Exit(exit_code(run))


async def _undo(workspace: Path, names: list[str], picks: dict[Path, Pick]) -> Run:
    async with Harness(workspace) as harness:
        return await harness.undo(*names, picks=picks)


def _conflicts(run: Run) -> list[dict[str, Json]]:
    return ((run.error or {}).get("details") or {}).get("conflicts") or []


def _choices(conflicts: list[dict[str, Json]], console: Console) -> dict[Path, Pick]:
    """Ask for each path what becomes of it; nothing is touched until all are answered."""
    answers: dict[Path, Pick] = {}
    for conflict in conflicts:
        console.print(Text(_told(conflict)), soft_wrap=True)
        answer = Prompt.ask("keep it, restore it, or merge", choices=list(get_args(Pick)), console=console)
        answers[Path(conflict["path"])] = answer  # type: ignore[assignment]  # one of the choices
    return answers


def _told(conflict: dict[str, Json]) -> str:
    by = f" by {conflict['changed_by']}" if "changed_by" in conflict else ""
    states = (f"{name}: {_state(conflict[name])}" for name in ("before", "after", "now"))
    return visible(f"{conflict['path']} changed since{by} ({', '.join(states)})")


def _state(state: dict[str, Json]) -> str:
    return str(state["kind"]) if state["digest"] is None else f"{state['kind']} {str(state['digest'])[:12]}"


def _show(run: Run, workspace: Path, console: Console) -> None:
    if run.error is not None:
        console.print(Text(f"toolscript: {visible(str(run.error['message']))}", style="red"), soft_wrap=True)
        for conflict in _conflicts(run):
            console.print(Text(f"  {_told(conflict)}"), soft_wrap=True)
        for conflict in _conflicts(run)[:1]:
            path = visible(shlex.quote(_relative(conflict["path"], workspace)))
            console.print(Text(f"choose with, for each: --pick {path}=keep|restore|merge"), soft_wrap=True)
        return
    for warning in run.warnings:
        console.print(Text(visible(warning[:1].upper() + warning[1:] + ".")), soft_wrap=True)
    for word, style, key in (("restored", "green", "restored"), ("kept", "yellow", "kept")):
        for path in run.result[key]:
            said = "removed" if word == "restored" and not os.path.lexists(path) else word
            console.print(Text(visible(f"{said} {_relative(path, workspace)}"), style=style), soft_wrap=True)
    for other in run.result["not_undone"]:
        console.print(Text(visible(f"not undone: {other}"), style="yellow"), soft_wrap=True)
    if run.run_id:
        console.print(Text(f"this undo can be undone: toolscript undo {run.run_id}"), soft_wrap=True)


def _relative(path: str, workspace: Path) -> str:
    """Return a path as it is seen from the workspace, if it lies inside."""
    inside, root = Path(path), workspace.resolve()
    return str(inside.relative_to(root)) if inside.is_relative_to(root) else path


def _list(workspace: Path) -> None:
    console, past = screen(), past_runs(state_dir(workspace))
    undone = undone_by(past)
    listed = changing(past, LISTED)
    if listed:
        heading = "Runs that changed files, the latest last; take one back with: toolscript undo RUN"
        console.print(heading, soft_wrap=True)
    for entry in listed:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.run.time_ms / 1000))
        first = next((line.strip() for line in entry.run.source.splitlines() if line.strip()), "")
        state = f"  undone by {undone[entry.run.run_id]}" if entry.run.run_id in undone else ""
        turn = f"  {entry.run.turn_id}" if entry.run.turn_id else ""
        line = f"{entry.run.run_id}  {when}{turn}  {first[:60]}{state}"
        console.print(Text(visible(line)), soft_wrap=True)
    if not listed:
        console.print("No run that changed files is recorded here." if past else "No run is recorded here.")


def _pick(text: str, workspace: Path) -> tuple[Path, Pick]:
    path, equals, pick = text.rpartition("=")
    for known in get_args(Pick):
        if equals and pick == known:
            return (workspace / path).resolve(), known
    raise ConfigError(f"--pick takes PATH={'|'.join(get_args(Pick))}, got {text!r}")
