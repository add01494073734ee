"""Decides how protected files that no mount holds are kept: remembered before a command, put back after it."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from toolscript.confine.reach import opened, parent_of, remove, walked

MAX_BYTES = 16 * 1024 * 1024
"""How much of one protected path is remembered; a larger one is only reported."""
MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, directory or link as it was; ``data`` is a file's content or a link's text."""

    kind: int
    mode: int = 0
    data: bytes = b""


Picture = dict[str, Entry] | None
"""All entries at and below a path, by relative path ("." is the path itself); None when it was too large."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A protected path that did not stay as a command left it; ``became`` is what it had become, as text.

    ``did`` is what was done about it: it was ``put back``, ``removed`` or ``made harmless``; a root that has become
    too large for a search for new git configuration was ``not searched``; a directory that cannot be looked into is
    ``closed``; what could not be removed or made harmless was ``left``.
    """

    path: Path
    became: str
    did: Literal["put back", "removed", "made harmless", "not searched", "closed", "left"] = "put back"


class Pictures:
    """Keeps protected paths across commands, of which several may run at once; may be used by several threads.

    The first command to hold a path decides what it is put back to, so that a second does not take the
    first one's change for the original.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[Path, str], tuple[int, Picture]] = {}
        self._lock = threading.Lock()

    def take(self, paths: Iterable[tuple[Path, str]]) -> None:
        """Remember the paths (root and relative path)."""
        with self._lock:
            for key in paths:
                count, picture = self._held.get(key) or (0, taken(*key))
                self._held[key] = (count + 1, picture)

    def put_back(self, paths: Iterable[tuple[Path, str]]) -> list[Restored]:
        """Make the paths what they were when they were taken first, and return which had changed."""
        with self._lock:
            return [each for key in paths for each in self._released(key)]

    def _released(self, key: tuple[Path, str]) -> list[Restored]:
        count, before = self._held[key]
        now = taken(*key)
        report = [] if now == before else [Restored(key[0] / key[1], _told(now))]
        if report:
            _put_back(*key, before)
        if count > 1:
            self._held[key] = (count - 1, before)
        else:
            del self._held[key]
        return report


def taken(root: Path, name: str) -> Picture:
    """Return what is at a path below a root, following no link."""
    picture: dict[str, Entry] = {}
    try:
        with parent_of(root, name) as parent:
            _take(parent, Path(name).name, ".", picture)
    except (OSError, ValueError):
        # Not there, or a part of the way is no directory: nothing to keep.
        return {}
    except OverflowError:
        return None
    return picture


def _take(parent: int, name: str, shown: str, picture: dict[str, Entry]) -> None:
    try:
        facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    kind, mode = stat.S_IFMT(facts.st_mode), stat.S_IMODE(facts.st_mode)
    if kind == stat.S_IFLNK:
        picture[shown] = Entry(kind, 0, os.fsencode(os.readlink(name, dir_fd=parent)))
    elif kind == stat.S_IFREG:
        picture[shown] = Entry(kind, mode, _content(parent, name, picture))
    else:
        picture[shown] = Entry(kind, mode)
    if kind == stat.S_IFDIR:
        if shown.count("/") > MAX_DEPTH:
            raise OverflowError
        with opened(name, parent) as directory:
            for child in sorted(os.listdir(directory)):  # noqa: PTH208 - a descriptor has no Path
                _take(directory, child, f"{shown}/{child}", picture)


def _content(parent: int, name: str, picture: dict[str, Entry]) -> bytes:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=parent)
    with open(descriptor, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) + sum(len(entry.data) for entry in picture.values()) > MAX_BYTES:
        raise OverflowError
    return data


def _told(picture: Picture) -> str:
    """Return the files of a picture as text, each below its name."""
    if picture is None:
        return "(too large to keep)"
    files = [(name, entry.data.decode("utf-8", "replace")) for name, entry in picture.items() if entry.data]
    return "\n".join(f"== {name}\n{text}" for name, text in files)


def _put_back(root: Path, name: str, before: Picture) -> None:
    """Make a path what it was, as far as that was remembered."""
    if before is None:
        return
    with contextlib.suppress(OSError), parent_of(root, name, make=bool(before)) as parent:
        remove(parent, Path(name).name)
        _rebuild(parent, Path(name).name, before)


def _rebuild(parent: int, name: str, before: dict[str, Entry]) -> None:
    for shown, entry in before.items():
        with walked(parent, [name, *shown.split("/")[1:-1]] if shown != "." else []) as directory:
            _make(directory, shown.rsplit("/", 1)[-1] if shown != "." else name, entry)


def _make(parent: int, name: str, entry: Entry) -> None:
    if entry.kind == stat.S_IFDIR:
        os.mkdir(name, 0o700, dir_fd=parent)
        os.chmod(name, entry.mode, dir_fd=parent)
    elif entry.kind == stat.S_IFLNK:
        os.symlink(os.fsdecode(entry.data), name, dir_fd=parent)
    elif entry.kind == stat.S_IFREG:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, 0o600, dir_fd=parent), "wb") as file:
            file.write(entry.data)
            os.fchmod(file.fileno(), entry.mode)
