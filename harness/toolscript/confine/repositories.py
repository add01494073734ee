"""Decides where the git repositories of a workspace are, however deep, at the cost of one look at each directory."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Set
from dataclasses import dataclass
from functools import cache

MAX_DIRECTORIES = 20_000
"""How many directories of a root are looked into, the shallow ones first."""
_SETTLED = 2_000_000_000
"""A directory that changed less than this (ns) before it was read may have changed again in the same tick."""
_MARKS = frozenset((".git", "HEAD", "objects", "refs", "commondir"))


@dataclass(frozen=True, slots=True)
class Found:
    """The repositories of one root, as absolute paths.

    ``directories`` are git's own directories (``.git``, those of submodules and worktrees, bare repositories),
    ``links`` files and links called ``.git`` that lead to one. ``complete`` is False where the root has too many.
    """

    directories: tuple[str, ...]
    links: tuple[str, ...]
    complete: bool


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
        self._lock = threading.Lock()

    def look(self) -> Found:
        """Return what is there now. Blocks: about two microseconds a directory, more the first time."""
        with self._lock:
            return self._walk()

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
        return Found(tuple(directories), tuple(links), not queue)

    def _at(self, path: str) -> _Seen | None:
        try:
            facts = os.lstat(path)
            known = self._seen.get(path)
            # The time of a change is the kernel's: no program can set it.
            if known is not None and known.settled and known.changed == (facts.st_ino, facts.st_ctime_ns):
                return known
            return _read(path, facts)
        except OSError:
            return None


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


def found_in(root: str) -> Found:
    """Return the repositories in a directory now."""
    return _survey(root).look()
