"""Decides how changes are taken back: all of them, or none, and never over somebody else's work."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from toolscript.errors import ToolError
from toolscript.files.content import MISSING
from toolscript.files.disk import DiskFiles
from toolscript.files.paths import shown
from toolscript.registry.files import Change, Place, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A path that is no longer as the run left it: what the run found, what it left, and what is there now."""

    path: Path
    before: State
    after: State
    now: State


def net(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return one change for each path, from its first state to its last; paths that ended as they began are left
    out, unless directories were made for them."""
    first: dict[Path, State] = {}
    last: dict[Path, State] = {}
    made: dict[Path, list[Path]] = {}
    born: set[Path] = set()
    for change in changes:
        # A directory that an earlier change made did not exist at first, though this one found it.
        first.setdefault(change.path, MISSING if change.path in born else change.before)
        born.update(change.created_dirs)
        last[change.path] = change.after
        made.setdefault(change.path, []).extend(change.created_dirs)
        last.update((path, State(kind="directory")) for path in change.created_dirs if path in last)
    return tuple(
        Change(path=path, before=before, after=last[path], created_dirs=tuple(dict.fromkeys(made[path])))
        for path, before in first.items()
        if made[path] or not alike(before, last[path])
    )


def alike(one: State, other: State) -> bool:
    """Say whether two states are the same to a person: kind, content or link text, and mode where both know it."""
    if (one.kind, one.digest) != (other.kind, other.digest):
        return False
    return one.kind in ("symlink", "missing") or None in (one.mode, other.mode) or one.mode == other.mode


def conflicts(files: DiskFiles, changes: Iterable[Change]) -> tuple[Conflict, ...]:
    """Return the paths that are no longer as the changes left them, with what is there now."""
    return _conflicts(files, net(changes))


def _conflicts(files: DiskFiles, wanted: Iterable[Change]) -> tuple[Conflict, ...]:
    found = []
    for change in wanted:
        now = files.state(place_of(files, change.path), content=True)
        if not alike(now, change.after):
            found.append(Conflict(path=change.path, before=change.before, after=change.after, now=now))
    return tuple(found)


def undo(files: DiskFiles, changes: Iterable[Change]) -> tuple[Change, ...]:
    """Bring every path back to what it was before the changes, and remove the directories that they made and that
    are empty now. Returns what this did, which can be undone likewise.

    ``files`` must permit the paths. Raises ToolError ``changed`` if any path is no longer as the changes left it,
    ``not_undoable`` if a content was too large to be kept; then, as after any failure, nothing has changed.
    """
    wanted = net(changes)
    places = [place_of(files, change.path) for change in wanted]
    with files.locked(*places):
        changed = _conflicts(files, wanted)
        if changed:
            names = ", ".join(shown(os.fspath(conflict.path)) for conflict in changed)
            raise ToolError(
                f"changed since, so nothing is undone: {names}",
                code="changed",
                details={"paths": [shown(os.fspath(conflict.path)) for conflict in changed]},
            )
        return restore(files, [(change.path, change.before) for change in wanted], _made(wanted))


def restore(
    files: DiskFiles, states: Sequence[tuple[Path, State]], directories: Sequence[Path] = ()
) -> tuple[Change, ...]:
    """Bring paths to states, whatever is there: for choices that a person made. All of it is done, or nothing.

    ``directories`` are removed afterwards where they are empty. Raises ToolError ``not_undoable`` and what writing
    raises. The caller holds the locks.
    """
    for path, state in states:
        if state.kind == "other" or (state.kind in ("file", "symlink") and state.data is None):
            raise ToolError(f"{shown(os.fspath(path))}: what was there was not kept", code="not_undoable")
    missing = {path for path, state in states if state.kind == "missing"}
    done: list[Change] = []
    try:
        # First what goes, from the deepest up; then what comes, from the top down.
        for path in sorted(missing.union(directories), key=_depth, reverse=True):
            done.extend(_removed(files, path, made=path in directories, wanted=path in missing))
        for path, state in sorted(states, key=lambda item: _depth(item[0])):
            if state.kind != "missing":
                done.append(files.put(place_of(files, path), state))
    except BaseException:
        _roll_back(files, done)
        raise
    return tuple(change for change in done if not alike(change.before, change.after))


def _removed(files: DiskFiles, path: Path, *, made: bool, wanted: bool) -> tuple[Change, ...]:
    """Remove a path. A directory that was made on the way goes only if it is empty: what is in it is not ours."""
    place = place_of(files, path)
    if made and (not wanted or files.state(place).kind == "directory"):
        return files.remove_empty(place)
    return (files.put(place, MISSING),)


def _roll_back(files: DiskFiles, done: Sequence[Change]) -> None:
    for change in reversed(done):
        with contextlib.suppress(ToolError):
            files.put(place_of(files, change.path), change.before)
        for path in reversed(change.created_dirs):
            files.remove_empty(place_of(files, path))


def _depth(path: Path) -> int:
    return len(path.parts)


def _made(changes: Iterable[Change]) -> list[Path]:
    return [path for change in changes for path in change.created_dirs]


def place_of(files: DiskFiles, path: Path) -> Place:
    """Return the place of a path that was real when it was changed: a link that is there now is not followed."""
    bounds = files.bounds
    return Place(
        spelt=os.fspath(path),
        path=path,
        inside=bounds.inside(path),
        kind="missing",
        protected=bounds.is_protected(path),
    )


def widened(files: DiskFiles, changes: Iterable[Change]) -> DiskFiles:
    """Return files that may touch what the changes touched, and nothing more: the consent to the undo."""
    paths = [path for change in changes for path in (change.path, *change.created_dirs)]
    permitted = files.permitting(paths)
    permitted.bounds = replace(permitted.bounds, trees=files.bounds.trees)
    return permitted
