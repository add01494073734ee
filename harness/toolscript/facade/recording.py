"""Decides that every change which a call makes through its files is known to the road."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from toolscript.registry.files import Change, Entry, Files, Place, State


@dataclass(slots=True, eq=False)
class RecordingFiles:
    """The same files; each change is appended to ``changes`` as it happens."""

    inner: Files
    changes: list[Change]

    def place(self, path: str, cwd: Path, *, follow: bool = True) -> Place:
        """Say where a path leads."""
        return self.inner.place(path, cwd, follow=follow)

    def state(self, place: Place, *, content: bool = False) -> State:
        """Return what is there now."""
        return self.inner.state(place, content=content)

    def read(self, place: Place) -> bytes:
        """Return the content."""
        return self.inner.read(place)

    def open(self, place: Place) -> BinaryIO:
        """Return the file opened for reading."""
        return self.inner.open(place)

    def entries(self, place: Place) -> Iterator[Entry]:
        """Yield the entries of a directory."""
        return self.inner.entries(place)

    def write(self, place: Place, data: bytes, *, create_dirs: bool = False, mode: int | None = None) -> Change:
        """Write, and remember the change."""
        return self._kept(self.inner.write(place, data, create_dirs=create_dirs, mode=mode))

    def delete(self, place: Place) -> Change:
        """Delete, and remember the change."""
        return self._kept(self.inner.delete(place))

    def put(self, place: Place, state: State) -> Change:
        """Bring to a state, and remember the change."""
        return self._kept(self.inner.put(place, state))

    def permitting(self, paths: Iterable[Path]) -> Files:
        """Return files that may touch more, recording as well."""
        return RecordingFiles(self.inner.permitting(paths), self.changes)

    def on_disk(self, place: Place) -> Path | None:
        """Return the real path, if programs see the same there."""
        return self.inner.on_disk(place)

    def locked(self, *places: Place) -> AbstractContextManager[None]:
        """Hold the paths."""
        return self.inner.locked(*places)

    def _kept(self, change: Change) -> Change:
        self.changes.append(change)
        return change
