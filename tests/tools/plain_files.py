"""A small disk for tools under test: real files below one root, with faults on demand."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolscript.errors import ToolError
from toolscript.registry.files import Change, Entry, Kind, Place, State


class PlainFiles:
    """Serves the ``Files`` protocol from the disk. ``failing`` holds names whose next write or delete fails."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.failing: set[str] = set()
        self.locks: list[tuple[Path, ...]] = []

    def place(self, path: str, cwd: Path) -> Place:
        if "\0" in path:
            raise ToolError("a path cannot hold NUL", code="bad_path")
        full = Path(os.path.normpath(cwd / path))
        real = full.parent.resolve() / full.name
        return Place(spelt=path, path=real, inside=real.is_relative_to(self.root), kind=_kind(real))

    def state(self, place: Place, *, content: bool = False) -> State:
        kind = _kind(place.path)
        if kind != "file":
            return State(kind=kind)
        data = place.path.read_bytes()
        mode = stat.S_IMODE(place.path.stat().st_mode)
        digest = hashlib.sha256(data).hexdigest()
        return State(kind=kind, digest=digest, data=data if content else None, mode=mode)

    def read(self, place: Place) -> bytes:
        match _kind(place.path):
            case "file":
                return place.path.read_bytes()
            case "missing":
                raise ToolError(f"there is no {place.spelt}", code="not_found")
            case _:
                raise ToolError(f"{place.spelt} is no file", code="not_a_file")

    def entries(self, place: Place) -> Iterator[Entry]:
        for path in place.path.iterdir():
            yield Entry(name=path.name, kind=_kind(path), size=path.lstat().st_size)

    def write(self, place: Place, data: bytes, *, create_dirs: bool = False, mode: int | None = None) -> Change:
        self._fail(place)
        before = self.state(place, content=True)
        if create_dirs:
            place.path.parent.mkdir(parents=True, exist_ok=True)
        place.path.write_bytes(data)
        if mode is not None:
            place.path.chmod(mode)
        return Change(path=place.path, before=before, after=self.state(place))

    def delete(self, place: Place) -> Change:
        self._fail(place)
        before = self.state(place, content=True)
        place.path.unlink()
        return Change(path=place.path, before=before, after=State(kind="missing"))

    @contextmanager
    def locked(self, *places: Place) -> Iterator[None]:
        self.locks.append(tuple(place.path for place in places))
        yield

    def _fail(self, place: Place) -> None:
        if place.path.name in self.failing:
            self.failing.remove(place.path.name)
            raise ToolError("no space left on device", code="io_error")


def _kind(path: Path) -> Kind:
    if not os.path.lexists(path):
        return "missing"
    mode = path.stat().st_mode
    return "file" if stat.S_ISREG(mode) else "directory" if stat.S_ISDIR(mode) else "other"
