"""Decides how files that only their owner may see are made, read and made durable."""

from __future__ import annotations

import fcntl
import os
import stat
import sys
from pathlib import Path

from toolscript.errors import ConfigError

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""A pipe that somebody put there must not hold up whoever looks."""
CREATE = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def private_dir(path: Path) -> Path:
    """Make a directory that only its owner can look into, and return it.

    Raises ConfigError for a link, somebody else's directory, or one that cannot be made.
    """
    try:
        path.mkdir(parents=True, mode=0o700, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise ConfigError(f"{path} is not a directory of this user; remove it or set XDG_STATE_HOME elsewhere")
        if found.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise ConfigError(f"cannot keep state in {path}: {error.strerror}; set XDG_STATE_HOME elsewhere") from None
    return path


def read_private(path: Path) -> bytes:
    """Return the content of a file, links not followed. Raises OSError."""
    with os.fdopen(os.open(path, READ), "rb") as file:
        return file.read()


def write_private(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Put a file there whole, mode 0600. Raises OSError, and leaves nothing half-written under its name."""
    half = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(half, WRITE, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        if durable:
            sync_fd(file.fileno())
    half.rename(path)
    if durable:
        sync_dir(path.parent)


def sync_fd(fd: int) -> None:
    """Make a file's content durable, also where plain fsync stops at the drive's cache."""
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)


def sync_file(path: Path) -> None:
    """Make a file durable by its name."""
    fd = os.open(path, READ)
    try:
        sync_fd(fd)
    finally:
        os.close(fd)


def sync_dir(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
