"""Decides which runs an undo means: all of a turn, with the agents that were asked, ended, and not undone already."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolscript.errors import ToolError, ToolscriptError
from toolscript.journal.reader import end_record, lines, records
from toolscript.journal.records import CallRecord, EndRecord, RunRecord
from toolscript.journal.state import RunFile, is_name, run_files, run_path

SEARCHED = 50
"""So many journals without an end are looked through for changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """One run of the workspace: its journal, and the inputs with which it began."""

    file: RunFile
    run: RunRecord


def past_runs(state: Path) -> tuple[PastRun, ...]:
    """Return the runs of a workspace whose beginning can be read, in the order in which they began."""
    found = (PastRun(file=file, run=run) for file in run_files(state) if (run := first_record(file.path)) is not None)
    return tuple(sorted(found, key=lambda past: past.run.time_ms))


def first_record(path: Path) -> RunRecord | None:
    """Return the inputs with which a journal begins; None where they cannot be read."""
    try:
        first = next(iter(records(path, unknown="skip")), None)
    except ToolscriptError:  # one damaged journal must not keep the others from being undone
        return None
    return first if isinstance(first, RunRecord) else None


def journal_to_resume(state: Path, run_id: str) -> Path:
    """Return where the journal of a run lies. Raises ToolError ``not_found``."""
    path = run_path(state, run_id) if is_name(run_id) else None
    if path is None or not path.is_file():
        raise ToolError(f"there is no run {run_id!r} in this workspace", tool="resume", code="not_found")
    return path


def elsewhere(run: RunRecord, name: str, workspace: Path) -> str:
    """Return why the journal of this name is no record of a run of this workspace; empty where it is one.

    Somebody may have put a journal from elsewhere here: it is shown, but nothing is done because of it.
    """
    if run.run_id != name:
        return f"the journal {name} is of another run: {run.run_id}"
    return "" if run.workspace == str(workspace) else f"{name} worked in {run.workspace}, not in {workspace}"


def chosen(past: Sequence[PastRun], names: Iterable[str], workspace: Path, again: bool = False) -> tuple[PastRun, ...]:
    """Return the named runs, those of named turns, and those of agents that they asked, in their order.

    Raises ToolError: ``not_found``, ``elsewhere`` for a run of another workspace, ``not_ended`` for a run that goes on
    (or a task of it), ``interrupted``, and ``already_undone``, unless they are to be taken back ``again`` by choices
    for each path.
    """
    wanted = set(names)
    found: list[PastRun] = []
    for entry in past:
        run = entry.run
        if wanted & {run.run_id, run.turn_id or "", (run.parent or "").partition("/")[0]} - {""}:
            wanted.add(run.run_id)
            found.append(entry)
    known = {entry.run.run_id for entry in found} | {entry.run.turn_id for entry in found}
    if missing := sorted(wanted - known):
        raise _refusal("not_found", f"there is no run or turn {', '.join(missing)} in this workspace")
    for entry in found:
        if why := elsewhere(entry.run, entry.file.run_id, workspace):
            raise _refusal("elsewhere", f"{why}; it is not undone here")
    _check_ended(found)
    if not again:
        _check_standing(past, found)
    return tuple(found)


def _check_ended(found: Iterable[PastRun]) -> None:
    for entry in found:
        run_id = entry.run.run_id
        if entry.file.live:
            why = "it or a task of it still runs; end it first (tools.spawn.cancel(id))"
            raise _refusal("not_ended", f"{run_id} has not ended: {why}")
        if not _has_end(entry.file):
            raise _refusal("interrupted", f"{run_id} was interrupted: end it first with toolscript resume {run_id}")


def _has_end(file: RunFile) -> bool:
    return file.ended or any(line.kind == "run_end" for line in lines(file.path))


def _check_standing(past: Sequence[PastRun], found: Iterable[PastRun]) -> None:
    undone = undone_by(past)
    for entry in found:
        if (by := undone.get(entry.run.run_id)) is not None:
            raise _refusal(
                "already_undone",
                f"{entry.run.run_id} was undone already, by {by}; to bring its changes back, undo that: {by}",
            )


def undone_by(past: Iterable[PastRun]) -> dict[str, str]:
    """Return the runs whose changes are taken back now, each with the undo that did it; an undone undo counts not."""
    undone: dict[str, str] = {}
    for entry in past:
        for run_id in _undid(entry) if entry.run.origin == "undo" and not entry.file.live else ():
            undone[run_id] = entry.run.run_id
            # Whatever that one had taken back stands again.
            undone = {of: by for of, by in undone.items() if by != run_id}
    return undone


def _undid(entry: PastRun) -> tuple[str, ...]:
    """Return the runs that an undo took back: none, if it left paths as they were, since they can still be chosen."""
    if (end := end_record(entry.file.path)) is not None:
        standing = end.status == "completed" and not json.loads(end.result or "{}").get("kept")
        return tuple(entry.run.source.split()[2:]) if standing else ()
    named: tuple[str, ...] = ()
    try:
        for record in records(entry.file.path, unknown="skip"):
            match record:
                case CallRecord(number=1):
                    named = tuple(map(str, json.loads(record.arguments)["runs"]))
                case EndRecord(number=1, ok=True):
                    return () if json.loads(record.value).get("kept") else named
                case _:
                    pass
    except (ToolscriptError, ValueError, KeyError, TypeError, AttributeError):
        return ()
    return ()


def changing(past: Sequence[PastRun], most: int) -> tuple[PastRun, ...]:
    """Return the latest runs that changed files, at most so many, in their order.

    The end of a journal says it. Those that were cut short have none: the latest of them are looked through, and one
    that cannot be read counts, so that whoever undoes it hears why.
    """
    found: list[PastRun] = []
    read = 0
    for entry in reversed(past):
        changed = entry.file.changed
        if changed is None and read < SEARCHED:
            changed, read = _changes_files(entry.file.path), read + 1
        if changed:
            found.append(entry)
        if len(found) == most:
            break
    return tuple(reversed(found))


def _changes_files(path: Path) -> bool:
    try:
        return any(isinstance(record, EndRecord) and record.changes for record in records(path, unknown="skip"))
    except ToolscriptError:
        return True


def changed_later(past: Sequence[PastRun], found: Sequence[PastRun], paths: Iterable[Path]) -> dict[Path, str]:
    """Return which later run changed a path last, for as many of the paths as one did."""
    mine, wanted = {entry.run.run_id for entry in found}, set(paths)
    began = min((entry.run.time_ms for entry in found), default=0)
    changed: dict[Path, str] = {}
    for entry in past:
        if entry.run.time_ms >= began and entry.run.run_id not in mine:
            changed |= {path: entry.run.run_id for path in _changed(entry.file.path) if path in wanted}
    return changed


def _changed(path: Path) -> Iterator[Path]:
    try:
        for record in records(path, unknown="skip"):
            if isinstance(record, EndRecord):
                yield from (Path(change["path"]) for change in record.changes)
    except (ToolscriptError, KeyError, TypeError):
        return


def _refusal(code: str, message: str) -> ToolError:
    return ToolError(message, tool="undo", code=code)
