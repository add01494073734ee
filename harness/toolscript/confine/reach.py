"""Decides how the host reaches into directories that commands change: by descriptors, and no link is followed."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(parent: int, name: str) -> None:
    """Remove an entry of an open directory, with all below it; nothing happens if it is not there."""
    queue = [name]
    while queue:
        current = queue.pop()
        if not _is_directory(parent, current):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(current, dir_fd=parent)
        elif below := _emptied(parent, current):
            queue += below
        else:
            os.rmdir(current, dir_fd=parent)


def _emptied(parent: int, name: str) -> list[str]:
    """Unlink the files of a directory and bring its directories up beside it, so that no depth is too deep."""
    # What a command made may be closed to its own owner.
    os.chmod(name, 0o700, dir_fd=parent)
    with opened(name, parent) as directory:
        moved = []
        for child in os.listdir(directory):  # noqa: PTH208 - a descriptor has no Path
            if _is_directory(directory, child):
                moved.append(f".toolscript-{secrets.token_hex(8)}")
                os.rename(child, moved[-1], src_dir_fd=directory, dst_dir_fd=parent)
            else:
                os.unlink(child, dir_fd=directory)
    return [name, *moved] if moved else []


@contextmanager
def parent_of(root: Path, name: str, *, make: bool = False) -> Iterator[int]:
    """Open the directory that holds a path; with ``make`` whatever stands in its way is replaced."""
    descriptor = os.open(root, _DIRECTORY)
    try:
        with walked(descriptor, Path(name).parts[:-1], make=make) as parent:
            yield parent
    finally:
        os.close(descriptor)


@contextmanager
def walked(start: int, parts: Iterable[str], *, make: bool = False) -> Iterator[int]:
    """Open a directory below another, link by link refused, so that none leads the host astray."""
    descriptor = os.dup(start)
    try:
        for part in parts:
            if make and not _is_directory(descriptor, part):
                remove(descriptor, part)
                os.mkdir(part, 0o755, dir_fd=descriptor)
            below = os.open(part, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _is_directory(parent: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False


@contextmanager
def opened(name: str, parent: int) -> Iterator[int]:
    """Open a directory in an open directory. Raises OSError for a link or anything else."""
    descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
