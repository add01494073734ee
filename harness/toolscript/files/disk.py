"""Decides what touching the real disk means: each call opens by descriptors and stays within the bounds."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import BinaryIO, NoReturn

from toolscript.errors import ToolError
from toolscript.files import writing
from toolscript.files.bounds import PROTECTED, Bounds
from toolscript.files.content import (
    MISSING,
    READ_BYTES,
    UNDO_BYTES,
    Found,
    digest_of,
    kind_of,
    link_state,
    look,
    read_all,
    require_regular,
)
from toolscript.files.descriptors import directory, open_exact, typed
from toolscript.files.locks import Locks
from toolscript.files.paths import folded, link_on_disk, resolve, shown
from toolscript.registry.files import Change, Entry, Kind, Place, State


class DiskFiles:
    """The files on disk within some roots; ``toolscript.registry.files.Files`` says what each method promises.

    ``hidden`` directories are closed to every tool, whatever is consented to. ``protected`` are names (fnmatch
    patterns) whose writing needs consent. With ``allow_outside`` the roots bind nothing.
    Hard links pass these checks: a second name inside the roots of a file outside is that file.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        *,
        hidden: Sequence[Path] = (),
        protected: Sequence[str] = PROTECTED,
        allow_outside: bool = False,
        locks: Locks | None = None,
    ) -> None:
        self.bounds = Bounds.of(roots, hidden, protected, allow_outside)
        self.locks = locks or Locks()

    def permitting(self, paths: Iterable[Path]) -> DiskFiles:
        """Return the same files with more that may be touched."""
        files = DiskFiles((), locks=self.locks)
        files.bounds = self.bounds.permitting(paths)
        return files

    def place(self, path: str, cwd: Path, *, follow: bool = True) -> Place:
        """Say where a path leads."""
        return place_by(self.bounds, path, resolve(path, cwd, link_on_disk, self.bounds.is_special, follow=follow))

    def on_disk(self, place: Place) -> Path | None:
        """Return the real path for a program that reads by itself."""
        self.bounds.check(place, write=False)
        return place.path

    def state(self, place: Place, *, content: bool = False) -> State:
        """Return what is there now."""
        self.bounds.check_visible(place)
        try:
            with typed(place.spelt), _parent(place) as (parent, name):
                return look(name, parent, content=content).state
        except ToolError as error:
            if error.code in ("not_found", "not_a_directory"):
                return MISSING
            raise

    def read(self, place: Place) -> bytes:
        """Return the content of a regular file."""
        with self.open(place) as file:
            return read_all(file.fileno(), READ_BYTES)

    def open(self, place: Place) -> BinaryIO:
        """Return a regular file opened for reading."""
        self.bounds.check(place, write=False)
        with typed(place.spelt):
            fd = open_exact(place.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
            try:
                require_regular(os.fstat(fd), shown(place.spelt))
                return os.fdopen(fd, "rb")
            except BaseException:
                os.close(fd)
                raise

    def entries(self, place: Place) -> Iterator[Entry]:
        """Yield the entries of a directory; hidden directories are not among them."""
        self.bounds.check(place, write=False)
        with typed(place.spelt), directory(place.path, listing=True) as fd, os.scandir(fd) as found:
            entries = [_entry(item) for item in found]
        hidden = self.bounds.hidden_in(place.path)
        yield from (entry for entry in entries if not hidden or folded(entry.name) not in hidden)

    def write(self, place: Place, data: bytes, *, create_dirs: bool = False, mode: int | None = None) -> Change:
        """Replace or create a file atomically."""
        self.bounds.check(place, write=True)
        with typed(place.spelt), _made(place.path.parent, create_dirs) as made, _parent(place) as (parent, name):
            found = look(name, parent, content=True)
            if found.state.kind not in ("file", "missing"):
                refuse_kind(place, found.state.kind)
            if found.state.kind == "file":
                _require_writable(name, parent)
            after = _put_file(name, parent, data, found, mode)
            return Change(path=place.path, before=found.state, after=after, created_dirs=made)

    def delete(self, place: Place) -> Change:
        """Remove a file or a link."""
        self.bounds.check(place, write=True)
        with typed(place.spelt), _parent(place) as (parent, name):
            found = look(name, parent, content=True)
            if found.state.kind not in ("file", "symlink"):
                refuse_kind(place, found.state.kind)
            os.unlink(name, dir_fd=parent)
            return Change(path=place.path, before=found.state, after=MISSING)

    def put(self, place: Place, state: State) -> Change:
        """Bring a path to a state that it had."""
        self.bounds.check(place, write=True)
        wanted = state.kind != "missing"
        if not wanted and self.state(place).kind == "missing":
            return Change(path=place.path, before=MISSING, after=MISSING)
        with typed(place.spelt), _made(place.path.parent, wanted) as made, _parent(place) as (parent, name):
            found = look(name, parent, content=True)
            after = _put_state(name, parent, state, found, place)
            return Change(path=place.path, before=found.state, after=after, created_dirs=made)

    def remove_empty(self, place: Place) -> tuple[Change, ...]:
        """Remove a directory if it is one and empty; return what this changed, if anything."""
        self.bounds.check(place, write=True)
        try:
            with _parent(place) as (parent, name):
                found = look(name, parent, content=False)
                os.rmdir(name, dir_fd=parent)
        except OSError:  # not empty, no directory, or gone: not ours to remove
            return ()
        return (Change(path=place.path, before=found.state, after=MISSING),)

    def locked(self, *places: Place) -> AbstractContextManager[None]:
        """Hold the real paths while the block runs; blocks the thread."""
        return self.locks.hold(*(place.path for place in places))

    def locked_async(self, *places: Place) -> AbstractAsyncContextManager[None]:
        """Hold the real paths while the block runs, and let the event loop go on."""
        return self.locks.hold_async(*(place.path for place in places))


def place_by(bounds: Bounds, spelt: str, path: Path, kind: Kind | None = None) -> Place:
    """Return the place of a resolved path as the bounds see it."""
    return Place(
        spelt=spelt,
        path=path,
        inside=bounds.inside(path),
        kind=kind or _kind_at(path),
        protected=bounds.is_protected(path),
    )


def _kind_at(path: Path) -> Kind:
    try:
        return kind_of(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError:  # not ours to look at
        return "other"


@contextlib.contextmanager
def _parent(place: Place) -> Iterator[tuple[int, str]]:
    with directory(place.path.parent) as fd:
        yield fd, place.path.name or "."


@contextlib.contextmanager
def _made(path: Path, wanted: bool) -> Iterator[tuple[Path, ...]]:
    made = writing.make_directories(path) if wanted else ()
    try:
        yield made
    except BaseException:
        writing.remove_directories(made)
        raise


def _entry(item: os.DirEntry[str]) -> Entry:
    try:
        status = item.stat(follow_symlinks=False)
    except OSError:  # removed since it was listed
        return Entry(name=item.name, kind="other", size=0)
    return Entry(name=item.name, kind=kind_of(status.st_mode), size=status.st_size, modified=status.st_mtime_ns)


def refuse_kind(place: Place, kind: Kind) -> NoReturn:
    """Raise the error for what lies there and is no file."""
    code, reason = {
        "directory": ("is_directory", "is a directory"),
        "missing": ("not_found", "No such file or directory"),
        "symlink": ("changed", "a link took its place meanwhile; try again"),
    }.get(kind, ("not_a_file", "not a regular file"))
    raise ToolError(f"{shown(place.spelt)}: {reason}", code=code, details={"path": shown(place.spelt)})


def _put_file(name: str, parent: int, data: bytes, found: Found, mode: int | None) -> State:
    status = found.status
    if found.state.kind == "file" and status is not None and status.st_nlink > 1:
        writing.overwrite(name, parent, data, found, mode)
    else:
        writing.replace(name, parent, data, found, mode)
    now = os.stat(name, dir_fd=parent, follow_symlinks=False)
    return State(
        kind="file",
        digest=digest_of(data),
        data=data if len(data) <= UNDO_BYTES else None,
        mode=stat.S_IMODE(now.st_mode),
    )


def _require_writable(name: str, parent: int) -> None:
    # A rename would replace a file that its owner made read-only.
    os.close(os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent))


def _put_state(name: str, parent: int, state: State, found: Found, place: Place) -> State:
    if found.state.kind == "other":
        refuse_kind(place, "other")
    if found.state.kind == "directory" and state.kind != "directory":
        os.rmdir(name, dir_fd=parent)
        found = Found(MISSING)
    match state.kind:
        case "missing":
            if found.state.kind not in ("missing", "directory"):
                os.unlink(name, dir_fd=parent)
            return MISSING
        case "directory":
            return _put_directory(name, parent, found, state.mode)
        case "symlink":
            text = _kept(state, place)
            writing.replace_link(name, parent, text, found)
            return link_state(os.fsdecode(text))
        case "file":
            return _put_file(name, parent, _kept(state, place), found, state.mode)
        case _:
            raise ToolError(f"{shown(place.spelt)}: what was there cannot be put back", code="not_undoable")


def _put_directory(name: str, parent: int, found: Found, mode: int | None) -> State:
    if found.state.kind not in ("directory", "missing"):
        os.unlink(name, dir_fd=parent)
    if found.state.kind != "directory":
        os.mkdir(name, 0o777, dir_fd=parent)
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if mode is not None:
            os.fchmod(fd, mode)
        return State(kind="directory", mode=stat.S_IMODE(os.fstat(fd).st_mode))
    finally:
        os.close(fd)


def _kept(state: State, place: Place) -> bytes:
    if state.data is None:
        raise ToolError(f"{shown(place.spelt)}: its content was too large to be kept", code="not_undoable")
    return state.data
