"""Decides how the host reaches into directories that commands change: by descriptors, and no link is followed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_up(path: str, parent: int | None = None) -> int:
    """Let the user, whose directory it is, list and enter it, and return the mode that it had.

    A command may close what it leaves to keep the host from looking. Raises PermissionError for a directory of
    somebody else's, OSError for a link or anything else.
    """
    facts = os.stat(path, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise PermissionError(errno.EACCES, "not a directory of the user's", path)
    mode = stat.S_IMODE(facts.st_mode)
    set_mode(path, mode | stat.S_IRWXU, parent)
    return mode


def set_mode(path: str, mode: int, parent: int | None = None) -> None:
    """Set the mode of a directory. Raises OSError for a link or anything else."""
    if sys.platform != "linux":
        os.chmod(path, mode, dir_fd=parent, follow_symlinks=False)
        return
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        # No call sets a mode through such a descriptor, which needs no right to read.
        os.chmod(f"/proc/self/fd/{descriptor}", mode)  # noqa: PTH101
    finally:
        os.close(descriptor)


def remove(parent: int, name: str) -> None:
    """Remove an entry of an open directory, with all below it; nothing happens if it is not there."""
    mode = stat.S_IMODE(os.fstat(parent).st_mode)
    if not mode & stat.S_IWUSR:
        with contextlib.suppress(OSError):
            os.fchmod(parent, mode | stat.S_IRWXU)
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
    """Open the directory that holds a path; with ``make`` whatever stands in its way is replaced.

    Directories of the user's on the way that are closed to the user are opened up.
    """
    descriptor = _entered(os.fspath(root))
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
            below = _entered(part, descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _entered(path: str, parent: int | None = None) -> int:
    """Open a directory in which further names can be reached."""
    try:
        descriptor = os.open(path, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        open_up(path, parent)
        return os.open(path, _DIRECTORY, dir_fd=parent)
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if not mode & stat.S_IXUSR:
        with contextlib.suppress(PermissionError):
            os.fchmod(descriptor, mode | stat.S_IRWXU)
    return descriptor


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
