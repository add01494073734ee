"""Decides where the git repositories of a workspace are, however deep, at the cost of one look at each directory."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import cache

from toolscript.confine.reach import open_up, set_mode

MAX_DIRECTORIES = 20_000
"""How many directories of a root are looked into, the shallow ones first."""
_SETTLED = 2_000_000_000
"""A directory that changed less than this (ns) before it was read may have changed again in the same tick."""
_LOOKING = stat.S_IRUSR | stat.S_IXUSR
_MARKS = frozenset((".git", "HEAD", "objects", "refs", "commondir"))


@dataclass(frozen=True, slots=True)
class Found:
    """The repositories of one root, as absolute paths.

    ``directories`` are git's own directories (``.git``, those of submodules and worktrees, bare repositories),
    ``links`` files and links called ``.git`` that lead to one. ``complete`` is False where the root has too many.
    ``closed`` are directories of somebody else's that cannot be listed: what git looks for there was asked by name.
    """

    directories: tuple[str, ...]
    links: tuple[str, ...]
    complete: bool
    closed: tuple[str, ...] = ()

    def concerns(self, path: str) -> bool:
        """Say whether a directory lies in a repository, holds one, or is one."""
        below = f"{path}/"
        return any(path == each or each.startswith(below) for each in (*self.directories, *self.links)) or any(
            path.startswith(f"{each}/") for each in self.directories
        )


@dataclass(slots=True)
class _Seen:
    changed: tuple[int, int]
    settled: bool
    below: tuple[str, ...]
    marks: frozenset[str]


class Survey:
    """Walks one root; what has not changed since the last walk is not read again."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._seen: dict[str, _Seen] = {}
        self._opened: dict[str, int] = {}
        self._closed: list[str] = []
        self._lock = threading.Lock()

    def look(self, *, leave_open: bool = False) -> Found:
        """Return what is there now. Blocks: about two microseconds a directory, more the first time.

        A directory that its owner, the user, may not list hides nothing: it is opened for the walk and closed
        again. With ``leave_open`` it stays open to its owner if a repository has to do with it.
        """
        with self._lock:
            self._opened, self._closed = {}, []
            found = None
            try:
                found = self._walk()
            finally:
                kept = found if leave_open else None
                self._close(path for path in reversed(self._opened) if not (kept and kept.concerns(path)))
            return found

    def _close(self, paths: Iterable[str]) -> None:
        for path in paths:
            with contextlib.suppress(OSError):
                set_mode(path, self._opened[path])

    def _walk(self) -> Found:
        seen: dict[str, _Seen] = {}
        directories: list[str] = []
        links: list[str] = []
        queue = deque([self._root])
        while queue and len(seen) < MAX_DIRECTORIES:
            path = queue.popleft()
            if (directory := self._at(path)) is None:
                continue
            seen[path] = directory
            if _holds_repository(path, directory.marks):
                directories.append(path)
            if ".git" in directory.marks and ".git" not in directory.below:
                links.append(f"{path}/.git")
            queue.extend(f"{path}/{name}" for name in directory.below)
        self._seen = seen
        return Found(tuple(directories), tuple(links), not queue, tuple(self._closed))

    def _at(self, path: str) -> _Seen | None:
        known = self._seen.get(path)
        try:
            facts = os.lstat(path)
            # The time of a change is the kernel's: no program can set it.
            if known is not None and known.settled and known.changed == (facts.st_ino, facts.st_ctime_ns):
                return known
            # A directory that may be listed but not entered hides what lies in it as well.
            if facts.st_uid == os.geteuid() and facts.st_mode & _LOOKING != _LOOKING:
                self._opened[path] = open_up(path)
            return _read(path, facts)
        except PermissionError:
            self._closed.append(path)
            return known or _asked(path)
        except OSError:
            return None


def _asked(path: str) -> _Seen:
    """Return what git would look for in a directory that cannot be listed."""
    kinds: dict[str, bool] = {}
    for name in sorted(_MARKS):
        with contextlib.suppress(OSError):
            kinds[name] = stat.S_ISDIR(os.lstat(f"{path}/{name}").st_mode)
    below = tuple(name for name, directory in kinds.items() if directory)
    return _Seen((0, 0), False, below, frozenset(kinds))


def _read(path: str, facts: os.stat_result) -> _Seen:
    settled = time.time_ns() - facts.st_ctime_ns > _SETTLED
    below, marks = [], set()
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name in _MARKS:
                marks.add(entry.name)
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.name)
    return _Seen((facts.st_ino, facts.st_ctime_ns), settled, tuple(sorted(below)), frozenset(marks))


def _holds_repository(path: str, marks: frozenset[str]) -> bool:
    """Say whether git would take a directory for one of its own, or soon could."""
    return is_git_directory(marks) or path.endswith("/.git")


def is_git_directory(names: Set[str]) -> bool:
    """Say whether git takes a directory with these names in it for one of its own, whatever it is called."""
    return "HEAD" in names and ("commondir" in names or {"objects", "refs"} <= names)


@cache
def _survey(root: str) -> Survey:
    return Survey(root)


def found_in(root: str, *, leave_open: bool = False) -> Found:
    """Return the repositories in a directory now; see :meth:`Survey.look`."""
    return _survey(root).look(leave_open=leave_open)
