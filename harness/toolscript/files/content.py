"""Decides how the state of one name in an open directory is read: kind, content, digest, mode."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from toolscript import units
from toolscript.errors import ToolError
from toolscript.files.cancelling import check_cancelled
from toolscript.files.paths import shown
from toolscript.registry.files import Kind, State

UNDO_BYTES = 64 * 1024 * 1024
"""Up to this size a before-image is kept; a larger file cannot be undone, and the approval says so."""

READ_BYTES = 512 * 1024 * 1024
"""Up to this size a file is read as a whole."""

DIGEST_BYTES = 1024 * 1024 * 1024
"""Up to this size a file is changed or removed: its state before is known by a digest, for which all of it is read."""

_CHUNK = 1024 * 1024

MISSING = State(kind="missing")


def digest_of(data: bytes) -> str:
    """Return the digest by which contents and link texts are compared: SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def kind_of(mode: int) -> Kind:
    """Return what a file of this mode is to tools."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "symlink" if stat.S_ISLNK(mode) else "other"


def file_state(data: bytes, mode: int) -> State:
    """Return the state of a file with this content and mode."""
    return State(kind="file", digest=digest_of(data), data=data, mode=mode)


def link_state(text: str) -> State:
    """Return the state of a link with this text."""
    data = os.fsencode(text)
    return State(kind="symlink", digest=digest_of(data), data=data)


@dataclass(frozen=True, slots=True)
class Found:
    """A state with what the system knows of it, so that a later look tells whether it is still the same."""

    state: State
    status: os.stat_result | None = None

    def same(self, later: os.stat_result | None) -> bool:
        """Say whether a later look found the same file, untouched."""
        if self.status is None or later is None:
            return self.status is later
        return _identity(self.status) == _identity(later)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns


def glance(name: str, parent: int) -> os.stat_result | None:
    """Return the status of a name in an open directory, links not followed; None where there is nothing."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def regular(name: str, parent: int, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Open a regular file in an open directory. Never waits, whatever lies there: FIFOs and devices are refused."""
    fd = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, dir_fd=parent)
    try:
        require_regular(os.fstat(fd), name)
        yield fd
    finally:
        os.close(fd)


def require_regular(status: os.stat_result, spelt: str) -> None:
    """Raise ``is_directory`` or ``not_a_file`` for anything but a regular file."""
    kind = kind_of(status.st_mode)
    if kind == "directory":
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if kind != "file":
        raise ToolError(f"{spelt}: not a regular file", code="not_a_file", details={"path": spelt})


def look(name: str, parent: int, *, content: bool) -> Found:
    """Return what a name in an open directory is now, its bytes too if asked for and not above ``UNDO_BYTES``."""
    status = glance(name, parent)
    if status is None:
        return Found(MISSING)
    kind = kind_of(status.st_mode)
    if kind == "symlink":
        return Found(link_state(_link_text(name, parent)), status)
    if kind != "file":
        return Found(State(kind=kind, mode=stat.S_IMODE(status.st_mode)), status)
    with regular(name, parent) as fd:
        status = os.fstat(fd)
        return Found(_read_state(fd, status, name, content=content), status)


def _link_text(name: str, parent: int) -> str:
    try:
        return os.readlink(name, dir_fd=parent)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE)) from None  # no link any more


def _read_state(fd: int, status: os.stat_result, name: str, *, content: bool) -> State:
    mode, left = stat.S_IMODE(status.st_mode), DIGEST_BYTES
    if status.st_size > left:
        raise _too_large(name, status.st_size)
    if content and status.st_size <= UNDO_BYTES:
        return file_state(read_all(fd, UNDO_BYTES), mode)
    sha = hashlib.sha256()
    while chunk := os.read(fd, _CHUNK):
        check_cancelled()
        if (left := left - len(chunk)) < 0:  # it grows while it is read
            raise _too_large(name, os.fstat(fd).st_size)
        sha.update(chunk)
    return State(kind="file", digest=sha.hexdigest(), mode=mode)


def _too_large(name: str, size: int) -> ToolError:
    return ToolError(
        f"{shown(name)}: has {units.size(size)}, and file tools change files of up to {units.size(DIGEST_BYTES)}; a "
        "command (exec) can change larger ones",
        code="file_too_large", details={"path": shown(name), "size": size},
    )  # fmt: skip


def read_all(fd: int, limit: int) -> bytes:
    """Return all that an open file holds. Raises ``file_too_large`` beyond the limit, whatever its size said."""
    chunks, size = [], 0
    while chunk := os.read(fd, _CHUNK):
        check_cancelled()
        size += len(chunk)
        if size > limit:
            raise ToolError(f"the file has more than {units.size(limit)}; read it in parts", code="file_too_large")
        chunks.append(chunk)
    return b"".join(chunks)
