"""Decides how tools touch files: through one small protocol that a disk or an overlay can serve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

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
    """One directory entry; ``kind`` is of the entry itself, links are not followed."""

    name: str
    kind: Kind
    size: int


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
    device), ``exists``, ``permission_denied``, ``outside_workspace``, ``changed``, ``bad_path``, ``io_error``.
    Writing never follows a link that leads outside the roots, unless the call was allowed to.
    """

    def place(self, path: str, cwd: Path) -> Place:
        """Say where a path leads. Never fails for a missing path; NUL bytes and /proc are ``bad_path``."""
        ...

    def state(self, place: Place, *, content: bool = False) -> State:
        """Return what is there now, with its digest (and its bytes)."""
        ...

    def read(self, place: Place) -> bytes:
        """Return the content of a regular file."""
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

    def locked(self, *places: Place) -> AbstractContextManager[None]:
        """Hold the real paths against other calls and other toolscript processes while the block runs."""
        ...
