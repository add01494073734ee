"""Decides whether a file tool that was cut short can be completed: each path must be as before, or as afterwards.

What the call answers is computed on an overlay that shows the files as they were; only what is not yet there is
then written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from anyio import to_thread

from toolscript.errors import Json, OutcomeUnknown, ToolscriptError
from toolscript.facade.images import Bodies, before_of
from toolscript.facade.recording import RecordingFiles
from toolscript.facade.road import Trip, widened
from toolscript.files.overlay import overlaid
from toolscript.journal.records import BeginRecord
from toolscript.registry.context import ToolContext
from toolscript.registry.files import Change, Files, LockableFiles, Place, State
from toolscript.registry.tool import Tool

Standing = Literal["before", "after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One path of a call that was cut short: what it was, and where it stands now."""

    place: Place
    before: State
    after: str | None
    standing: Standing
    created_dirs: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """How a call can be completed: its output, and what each path has to be; all that remains is ``write``."""

    cuts: tuple[Cut, ...]
    output: Any
    states: Mapping[Path, State]
    begun: bool
    """Whether anything of it was done; if not, it is simply called."""


def standings(begin: BeginRecord, files: Files, cwd: Path, body: Bodies) -> tuple[Cut, ...] | None:
    """Return where each path of the call stands; None if one is neither as before nor as afterwards. Blocks."""
    cuts = [_cut(record, files, cwd, body) for record in begin.paths]
    found = tuple(cut for cut in cuts if cut is not None)
    return found if found and len(found) == len(cuts) else None


def _cut(record: Mapping[str, Json], files: Files, cwd: Path, body: Bodies) -> Cut | None:
    before = before_of(record, body)
    place = files.place(record["path"], cwd, follow=False)
    now = files.state(place)
    standing = _standing(before, record["after"], now)
    if standing is None or (standing == "after" and before.kind == "file" and before.data is None):
        return None
    made = tuple(Path(p) for p in record["missing_dirs"] if standing == "after" and Path(p).is_dir())
    return Cut(place=place, before=before, after=record["after"], standing=standing, created_dirs=made)


def _standing(before: State, after: str | None, now: State) -> Standing | None:
    if (now.kind, now.digest) == (before.kind, before.digest):
        return "before"
    if now.kind == "missing":
        return "after" if after is None else None
    return "after" if after is not None and now.digest == after else None


async def completion(
    tool: Tool, arguments: Any, cuts: tuple[Cut, ...], context: ToolContext, files: LockableFiles
) -> Completion | None:
    """Return how the call can be completed, changing nothing; None where that cannot be told."""
    if all(cut.standing == "before" for cut in cuts):
        return Completion(cuts=cuts, output=None, states={}, begun=False)
    overlay = overlaid(files)
    changes: list[Change] = []
    try:
        for cut in cuts:
            if cut.standing == "after":
                overlay.put(cut.place, cut.before)
        planned = replace(context, files=RecordingFiles(overlay, changes))
        output = await tool.call(arguments, widened(planned, await tool.classify(arguments, planned)))
        states = {change.path: overlay.state(_place(cuts, change.path), content=True) for change in changes}
    except (ToolscriptError, KeyError):
        return None
    if any(states[cut.place.path].digest != cut.after for cut in cuts if cut.place.path in states):
        return None
    return Completion(cuts=cuts, output=output, states=states, begun=True)


def _place(cuts: tuple[Cut, ...], path: Path) -> Place:
    return {cut.place.path: cut.place for cut in cuts}[path]


async def complete(
    done: Completion, begin: BeginRecord, trip: Trip, tool: Tool, arguments: Any, context: ToolContext, body: Bodies
) -> Any:
    """Carry a completion out under the caller's locks. Raises OutcomeUnknown if a path has changed in between."""
    now = await to_thread.run_sync(standings, begin, context.files, context.cwd, body)
    if now is None or [c.standing for c in now] != [c.standing for c in done.cuts]:
        raise OutcomeUnknown(f"{tool.spec.path}: its files changed while the run was resumed", tool=tool.spec.path)
    if not done.begun:
        return await tool.call(arguments, widened(context, await tool.classify(arguments, context)))
    files = context.files.permitting(cut.place.path for cut in done.cuts)
    await to_thread.run_sync(_write, done, files, trip)
    return done.output


def _write(done: Completion, files: Files, trip: Trip) -> None:
    for cut in done.cuts:
        if cut.standing == "after":
            after = files.state(cut.place, content=True)
            change = Change(path=cut.place.path, before=cut.before, after=after, created_dirs=cut.created_dirs)
            trip.changes.append(change)
        elif cut.place.path in done.states:
            files.put(cut.place, done.states[cut.place.path])
