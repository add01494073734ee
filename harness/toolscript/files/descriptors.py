"""Decides how a real path is opened so that no link swapped in since can lead anywhere else."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from toolscript.errors import ToolError
from toolscript.files.paths import shown

O_PATH = getattr(os, "O_PATH", os.O_RDONLY)
"""Opening a directory only to stand in it: needs no read permission where the platform has it."""

_NOFOLLOW_ANY = getattr(os, "O_NOFOLLOW_ANY", 0)
_OPENAT2 = 437
_NO_MAGIC_LINKS, _NO_LINKS = 0x02, 0x04

CODES = {
    errno.ENOENT: "not_found",
    errno.EISDIR: "is_directory",
    errno.ENOTDIR: "not_a_directory",
    errno.EEXIST: "exists",
    errno.ELOOP: "changed",
    errno.ESTALE: "changed",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
    errno.EROFS: "permission_denied",
    errno.ENAMETOOLONG: "bad_path",
    errno.EILSEQ: "bad_path",
    errno.ENXIO: "not_a_file",
    errno.ENOTEMPTY: "not_empty",
}


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def failure(error: OSError, spelt: str) -> ToolError:
    """Return the typed error for what the system said of a path, shown as it was given."""
    number = error.errno or 0
    reason = os.strerror(number) if number else str(error)
    if number in (errno.ELOOP, errno.ESTALE):
        reason = "somebody put something else in its place meanwhile; try again"
    return ToolError(
        f"{shown(spelt)}: {reason}",
        code=CODES.get(number, "io_error"),
        details={"path": shown(spelt), "reason": reason},
    )


@contextlib.contextmanager
def typed(spelt: str) -> Iterator[None]:
    """Turn what the system says in this block into typed errors."""
    try:
        yield
    except OSError as error:
        raise failure(error, spelt) from error


def _openat2(path: bytes, flags: int, mode: int) -> int:
    how = _How(flags, mode, _NO_LINKS | _NO_MAGIC_LINKS)
    while True:
        fd: int = _libc.syscall(_OPENAT2, -100, path, ctypes.byref(how), ctypes.sizeof(how))
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


def _walk(path: Path, flags: int, mode: int) -> int:
    current = os.open("/", O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in path.parts[1:-1]:
            following = os.open(name, O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
            os.close(current)
            current = following
        return os.open(path.name or ".", flags | os.O_NOFOLLOW, mode, dir_fd=current)
    finally:
        os.close(current)


def _one_call(path: Path, flags: int, mode: int) -> int:
    if _NOFOLLOW_ANY:
        return os.open(path, flags | _NOFOLLOW_ANY, mode)
    return _openat2(os.fsencode(path), flags | os.O_NOFOLLOW, mode)


def _has_one_call() -> bool:
    if _NOFOLLOW_ANY:
        return True
    if not sys.platform.startswith("linux"):
        return False
    try:
        os.close(_openat2(b"/", O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0))
    except OSError:  # an old kernel, or a container that forbids the call
        return False
    return True


_libc = ctypes.CDLL(None, use_errno=True)
_open = _one_call if _has_one_call() else _walk


def open_exact(path: Path, flags: int, mode: int = 0) -> int:
    """Open what lies at an absolute real path, and fail with ELOOP or ENOTDIR if any name on it is a link."""
    return _open(path, flags | os.O_CLOEXEC, mode)


@contextlib.contextmanager
def directory(path: Path, *, listing: bool = False) -> Iterator[int]:
    """Hold a descriptor of the directory at a real path, for calls relative to it (or to list it)."""
    fd = open_exact(path, (os.O_RDONLY if listing else O_PATH) | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)
