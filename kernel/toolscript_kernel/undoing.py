"""Decides what an undo is told as: which files came back or went, what nothing takes back, and the way back again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from anyio import to_thread

from toolscript.errors import ConfigError, Json, revive

if TYPE_CHECKING:
    from toolscript.harness import Harness
    from toolscript.recovery.history import PastRun
    from toolscript.recovery.undo import Pick
    from toolscript.run import Run

SEARCHED = 50
"""So many of the latest runs are looked through for one that changed files."""


async def undone(harness: Harness, names: list[str], picks: dict[str, str]) -> str:
    """Take back the file changes of runs and turns, and return in lines what that came to.

    Nothing is written down where they changed no file. Raises ConfigError for a pick that is none, and ToolError as
    the harness does.
    """
    taken = {(harness.workspace / path).resolve(): _pick(path, pick) for path, pick in picks.items()}
    run = await harness.undo(*names, picks=taken)
    if run.error is not None:
        raise revive(run.error)
    if not run.run_id:  # nothing was there to take back
        return "\n".join(_nothing(run, names, await to_thread.run_sync(_latest, harness.state)))
    return "\n".join(_told(run, harness.workspace))


def taken_back(workspace: Path) -> dict[str, str]:
    """Return the runs of a workspace whose file changes are taken back now, each with the undo that did it."""
    from toolscript.journal.state import state_dir
    from toolscript.recovery.history import past_runs, undone_by

    return undone_by(past_runs(state_dir(workspace)))


def _told(run: Run, workspace: Path) -> Iterator[str]:
    for path in run.result["restored"]:
        yield f"{'restored' if os.path.lexists(path) else 'removed'} {_short(path, workspace)}"
    for path in run.result["kept"]:
        yield f"kept as it is: {_short(path, workspace)}"
    if not run.result["restored"]:
        yield "nothing had to change: the files are as they were before"
    yield from _standing(run.result["not_undone"])
    if run.result["restored"]:
        yield f"to take this undo back: %toolscript undo {run.run_id}"


def _nothing(run: Run, names: list[str], latest: PastRun | None) -> Iterator[str]:
    yield f"nothing to take back: {', '.join(names)} changed no file"
    yield from _standing(run.result["not_undone"])
    if latest is not None:
        yield f"the last run that changed files is {latest.run.run_id}; to take that back:"
        yield f"  %toolscript undo {latest.run.run_id}"


def _standing(others: Sequence[str]) -> Iterator[str]:
    """Yield the calls that no undo takes back, as people write them."""
    from toolscript_kernel.record import inert, text
    from toolscript_kernel.record.sheet import Row

    for other in others:
        tool, _, given = other.partition(" ")
        try:
            arguments: Json = json.loads(given)
        except ValueError:  # long ones are cut
            arguments = given
        row = Row(number=0, tool=tool, arguments=arguments, status="")
        yield inert.one_line(f"cannot be taken back: {tool} {text.arguments(row)}", 200)


def _latest(state: Path) -> PastRun | None:
    """Return the latest run whose changes of files stand."""
    from toolscript.recovery.history import past_runs, undone_by
    from toolscript.recovery.undoing import effects_of

    past = past_runs(state)
    gone = undone_by(past)
    standing = (entry for entry in reversed(past[-SEARCHED:]) if _can_be_taken_back(entry, gone))
    return next((entry for entry in standing if effects_of(entry.file.path).net), None)


def _can_be_taken_back(entry: PastRun, gone: Mapping[str, str]) -> bool:
    return entry.run.origin != "undo" and entry.file.ended and entry.run.run_id not in gone


def _short(path: str, workspace: Path) -> str:
    from toolscript_kernel.record import inert

    place = Path(path)
    return inert.one_line(str(place.relative_to(workspace) if place.is_relative_to(workspace) else place), 300)


def _pick(path: str, pick: str) -> Pick:
    from toolscript.recovery.undo import Pick

    for known in get_args(Pick):
        if pick == known:
            return known  # type: ignore[no-any-return]  # get_args forgets that these are the literals
    raise ConfigError(f"%toolscript undo: {path}={pick}: say {', '.join(get_args(Pick))}")
