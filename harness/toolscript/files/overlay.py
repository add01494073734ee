"""Decides what a planned change looks like to what comes after it: written to memory, seen by every later look."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from toolscript import units
from toolscript.errors import ToolError
from toolscript.files.content import MISSING, READ_BYTES, digest_of
from toolscript.files.disk import DiskFiles, place_by, refuse_kind
from toolscript.files.paths import link_on_disk, resolve, shown
from toolscript.files.undo import net
from toolscript.registry.files import Change, Entry, Files, Kind, Place, State

if TYPE_CHECKING:
    from toolscript.files.bounds import Bounds


@dataclass(slots=True)
class _Plan:
    """The states that paths would have, when each was planned, and the changes one by one."""

    states: dict[Path, State] = field(default_factory=dict)
    times: dict[Path, int] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    def at(self, path: Path) -> State | None:
        """Return what the plan says of a path: its own word, or that of the nearest planned path above it."""
        if not self.states:
            return None
        if (own := self.states.get(path)) is not None:
            return own
        # A directory that exists only in the plan, like anything that is none, has nothing on disk below it.
        return MISSING if any(parent in self.states for parent in path.parents) else None

    def set(self, path: Path, state: State) -> None:
        self.states[path] = state
        self.times[path] = time.time_ns()

    def below(self, path: Path) -> Iterator[tuple[str, State, int]]:
        for planned, state in list(self.states.items()):  # other threads go on planning
            if planned.parent == path and planned != path:
                yield planned.name, state, self.times[planned]


class OverlayFiles:
    """Files where nothing is written: changes are kept aside, and reads, listings and states show them.

    Reading stays within the bounds of the files below it. Writing is planned anywhere but in hidden directories:
    whoever carries the plan out asks for the consent. Shared by all that :meth:`permitting` returns.
    """

    def __init__(self, base: DiskFiles) -> None:
        self.base = base
        self._plan = _Plan()

    @property
    def bounds(self) -> Bounds:
        """The bounds of the files below."""
        return self.base.bounds

    def changes(self) -> tuple[Change, ...]:
        """Return what would change on disk: for each path its state now and in the end, in the order of the plan."""
        return net(self._plan.changes)

    def permitting(self, paths: Iterable[Path]) -> OverlayFiles:
        """Return the same overlay, which may read more."""
        other = OverlayFiles(self.base.permitting(paths))
        other._plan = self._plan
        return other

    def place(self, path: str, cwd: Path, *, follow: bool = True) -> Place:
        """Say where a path leads, planned links and planned removals of links included."""
        real = resolve(path, cwd, self._link, self.bounds.is_special, follow=follow)
        planned = self._plan.at(real)
        return place_by(self.bounds, path, real, planned.kind if planned else None)

    def on_disk(self, place: Place) -> Path | None:
        """Return the real path, unless the plan says something of it or of anything below it."""
        planned = self._plan.states
        if self._plan.at(place.path) is not None or any(path.is_relative_to(place.path) for path in list(planned)):
            return None
        return self.base.on_disk(place)

    def state(self, place: Place, *, content: bool = False) -> State:
        """Return what is there, or would be."""
        self.bounds.check_visible(place)
        planned = self._plan.at(place.path)
        if planned is None:
            return self.base.state(place, content=content)
        return planned if content else replace(planned, data=None)

    def read(self, place: Place) -> bytes:
        """Return the content of a file, or what it would be."""
        with self.open(place) as file:
            data = file.read(READ_BYTES + 1)
        if len(data) > READ_BYTES:
            raise ToolError(f"{shown(place.spelt)}: more than {units.size(READ_BYTES)}", code="file_too_large")
        return data

    def open(self, place: Place) -> BinaryIO:
        """Return a file opened for reading, or its planned content."""
        planned = self._plan.at(place.path)
        if planned is None:
            return self.base.open(place)
        self.bounds.check_visible(place)
        if planned.kind != "file":
            refuse_kind(place, planned.kind)
        return io.BytesIO(planned.data or b"")

    def entries(self, place: Place) -> Iterator[Entry]:
        """Yield the entries of a directory as they would be."""
        planned = self._plan.at(place.path)
        if planned is not None and planned.kind != "directory":
            raise _missing(place) if planned.kind == "missing" else _no_directory(place)
        found = {entry.name: entry for entry in self.base.entries(place)} if planned is None else {}
        self.bounds.check_visible(place)
        for name, state, modified in self._plan.below(place.path):
            found.pop(name, None)
            if state.kind != "missing":
                size = len(state.data or b"") if state.kind == "file" else 0
                found[name] = Entry(name=name, kind=state.kind, size=size, modified=modified)
        yield from found.values()

    def write(self, place: Place, data: bytes, *, create_dirs: bool = False, mode: int | None = None) -> Change:
        """Plan that a file is replaced or created."""
        before = self._before(place)
        if before.kind not in ("file", "missing"):
            refuse_kind(place, before.kind)
        after = State(kind="file", digest=digest_of(data), data=data, mode=before.mode if mode is None else mode)
        return self._planned(place, before, after, create_dirs=create_dirs)

    def delete(self, place: Place) -> Change:
        """Plan that a file or a link is removed."""
        before = self._before(place)
        if before.kind not in ("file", "symlink"):
            refuse_kind(place, before.kind)
        return self._planned(place, before, MISSING, create_dirs=False)

    def put(self, place: Place, state: State) -> Change:
        """Plan that a path is brought to a state."""
        before = self._before(place)
        if before.kind == "other" or (state.kind in ("file", "symlink") and state.data is None):
            raise ToolError(f"{shown(place.spelt)}: what was there cannot be put back", code="not_undoable")
        if before.kind == "directory" and state.kind != "directory" and any(self.entries(place)):
            raise ToolError(f"{shown(place.spelt)}: the directory is not empty", code="not_empty")
        return self._planned(place, before, state, create_dirs=state.kind != "missing")

    def locked(self, *places: Place) -> AbstractContextManager[None]:
        """Hold the real paths, so that calls of one plan take turns as they will for real."""
        return self.base.locked(*places)

    def locked_async(self, *places: Place) -> AbstractAsyncContextManager[None]:
        """Hold the real paths, and let the event loop go on."""
        return self.base.locked_async(*places)

    def _before(self, place: Place) -> State:
        return self.state(place, content=True)

    def _link(self, path: str) -> str | None:
        planned = self._plan.at(Path(path))
        if planned is None:
            return link_on_disk(path)
        return link_text(planned) if planned.kind == "symlink" else None

    def _planned(self, place: Place, before: State, after: State, *, create_dirs: bool) -> Change:
        made = self._parents(place, create_dirs)
        for directory in made:
            self._plan.set(directory, State(kind="directory"))
        self._plan.set(place.path, after)
        change = Change(path=place.path, before=before, after=after, created_dirs=made)
        self._plan.changes.append(change)
        return change

    def _parents(self, place: Place, create: bool) -> tuple[Path, ...]:
        """Return the directories above that are missing, outermost first."""
        missing: list[Path] = []
        for parent in place.path.parents:
            kind = self._kind(replace(place, path=parent))
            if kind == "directory":
                return tuple(reversed(missing))
            if kind != "missing":
                raise _no_directory(place)
            if not create:
                raise _missing(place)
            missing.append(parent)
        return tuple(reversed(missing))

    def _kind(self, place: Place) -> Kind:
        planned = self._plan.at(place.path)
        return planned.kind if planned is not None else place_by(self.bounds, place.spelt, place.path).kind


def link_text(state: State) -> str:
    """Return the text of a link's state."""
    return (state.data or b"").decode("utf-8", "surrogateescape")


def _missing(place: Place) -> ToolError:
    return ToolError(f"{shown(place.spelt)}: No such file or directory", code="not_found")


def _no_directory(place: Place) -> ToolError:
    return ToolError(f"{shown(place.spelt)}: Not a directory", code="not_a_directory")


def overlaid(files: Files) -> OverlayFiles:
    """Return files that show these and keep every change aside: what a plan is made on.

    A plan within a plan sees what is planned. Raises TypeError for files that are neither on disk nor planned.
    """
    if isinstance(files, OverlayFiles):
        return files
    if not isinstance(files, DiskFiles):
        raise TypeError(f"no plan can be made on {type(files).__name__}")
    return OverlayFiles(files)
