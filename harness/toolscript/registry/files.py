"""Decides how tools touch files: through one small protocol that a disk or an overlay can serve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

Kind = Literal["file", "directory", "symlink", "other", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a path leads: its spelling, the absolute path with links resolved, and whether that is inside the
    roots. ``protected`` marks paths inside the workspace that need consent (git hooks, toolscript.toml)."""

    spelt: str
    path: Path
    inside: bool
    kind: Kind
    protected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One directory entry; ``kind`` is of the entry itself, links are not followed. ``modified`` is in
    nanoseconds since the epoch."""

    name: str
    kind: Kind
    size: int
    modified: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a path was at one moment; enough to put it back. ``data`` is the content or the link's text."""

    kind: Kind
    digest: str | None = None
    data: bytes | None = None
    mode: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One path changed by a call: what it was and what it became. ``created_dirs`` were made on the way."""

    path: Path
    before: State
    after: State
    created_dirs: tuple[Path, ...] = ()


class Files(Protocol):
    """Files as tools may touch them. Methods block: call them from a worker thread for large files.

    All raise ToolError with a code: ``not_found``, ``is_directory``, ``not_a_directory``, ``not_a_file`` (FIFO,
    device), ``exists``, ``permission_denied``, ``outside_workspace``, ``protected``, ``changed``, ``bad_path``,
    ``file_too_large``, ``locked``, ``io_error``. No method follows a link: :meth:`place` resolves them all, and a
    link that appears afterwards is ``changed``. Reading outside the roots, and writing there or to a protected
    path, is refused unless this object came from :meth:`permitting`; only :meth:`state` may look anywhere, since
    a request for consent shows what is there.
    """

    def place(self, path: str, cwd: Path, *, follow: bool = True) -> Place:
        """Say where a path leads. Never fails for a missing path; NUL bytes and /proc are ``bad_path``.

        With ``follow=False`` the last name is kept though it be a link: the place of the link itself.
        """
        ...

    def state(self, place: Place, *, content: bool = False) -> State:
        """Return what is there now, with its digest (and its bytes)."""
        ...

    def read(self, place: Place) -> bytes:
        """Return the content of a regular file, which may have up to 512 MiB (else ``file_too_large``)."""
        ...

    def open(self, place: Place) -> BinaryIO:
        """Return a regular file opened for reading in parts; the caller closes it."""
        ...

    def entries(self, place: Place) -> Iterator[Entry]:
        """Yield the entries of a directory, in no order."""
        ...

    def write(self, place: Place, data: bytes, *, create_dirs: bool = False, mode: int | None = None) -> Change:
        """Replace or create a file atomically, keeping its mode (and its hard links, by writing in place)."""
        ...

    def delete(self, place: Place) -> Change:
        """Remove a file or a link."""
        ...

    def put(self, place: Place, state: State) -> Change:
        """Bring a path to a state that it had, whatever is there now: for undo. Directories are only removed empty."""
        ...

    def permitting(self, paths: Iterable[Path]) -> Files:
        """Return the same files, which may also be touched at these real paths (and below those that are
        directories now), though outside the roots or protected: what a person consented to."""
        ...

    def on_disk(self, place: Place) -> Path | None:
        """Return the real path for a program that reads files by itself; None where it would not see what
        these files hold (an overlay)."""
        ...

    def locked(self, *places: Place) -> AbstractContextManager[None]:
        """Hold the real paths against other calls and other toolscript processes while the block runs."""
        ...


class LockableFiles(Files, Protocol):
    """Files whose locks a coroutine can hold while the loop goes on."""

    def locked_async(self, *places: Place) -> AbstractAsyncContextManager[None]:
        """Hold the real paths; calls within the block, in this task or its threads, hold them too."""
        ...
