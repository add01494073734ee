"""Decides how one name in an open directory is replaced: wholly or not at all, keeping mode and hard links."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from toolscript.errors import ToolError
from toolscript.files.content import Found, glance, regular
from toolscript.files.descriptors import directory

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def changed(spelt: str) -> ToolError:
    """Return the error for a path that somebody else changed while we worked on it."""
    return ToolError(f"{spelt}: changed meanwhile; read it again", code="changed", details={"path": spelt})


def replace(name: str, parent: int, data: bytes, found: Found, mode: int | None) -> None:
    """Put the bytes in place of what was found, by one rename; a new file gets ``mode`` or the process's default.

    Raises ``changed`` if something else is there by then.
    """
    old = found.status if found.state.kind == "file" else None
    wanted = mode if mode is not None else old and stat.S_IMODE(old.st_mode)
    with _draft(name, parent, 0o666 if wanted is None else 0o600) as (draft, fd):
        _fill(fd, data)
        if old is not None:
            _inherit(fd, name, parent, old)
        if wanted is not None:
            os.fchmod(fd, wanted)
        os.fsync(fd)
        _swap(draft, name, parent, found)
        now = glance(name, parent)
        if now is None or now.st_ino != os.fstat(fd).st_ino:
            raise changed(name)


def overwrite(name: str, parent: int, data: bytes, found: Found, mode: int | None) -> None:
    """Write the bytes into the file itself, so that its other hard links see them; put back what was there if it
    fails half-way."""
    with regular(name, parent, os.O_RDWR) as fd:
        if not found.same(os.fstat(fd)):
            raise changed(name)
        size = os.fstat(fd).st_size
        try:
            _reserve(fd, len(data))
            _fill(fd, data)
            os.ftruncate(fd, len(data))
            os.fsync(fd)
        except OSError:
            _put_back(fd, found.state.data, size)
            raise
        if mode is not None:
            os.fchmod(fd, mode)


def replace_link(name: str, parent: int, text: bytes, found: Found) -> None:
    """Put a link with this text in place of what was found, by one rename."""
    draft = _draft_name(name, secrets.token_hex(4))
    os.symlink(text, os.fsencode(draft), dir_fd=parent)
    try:
        _swap(draft, name, parent, found)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=parent)
        raise


def make_directories(path: Path) -> tuple[Path, ...]:
    """Make a directory and those above it that are missing; return the made ones, outermost first."""
    missing: list[Path] = []
    while not os.path.lexists(path):
        missing.insert(0, path)
        path = path.parent
    made: list[Path] = []
    try:
        for directory_path in missing:
            with directory(directory_path.parent) as parent:
                if _made(directory_path.name, parent):
                    made.append(directory_path)
    except BaseException:
        remove_directories(tuple(made))
        raise
    return tuple(made)


def remove_directories(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Remove those of the directories, innermost first, that are empty; return the removed ones."""
    removed = []
    for path in sorted(paths, key=lambda p: len(p.parts), reverse=True):
        with contextlib.suppress(OSError), directory(path.parent) as parent:
            os.rmdir(path.name, dir_fd=parent)
            removed.append(path)
    return tuple(removed)


def _made(name: str, parent: int) -> bool:
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:  # somebody else made it: not ours to remove
        return False
    return True


def _swap(draft: str, name: str, parent: int, found: Found) -> None:
    if not found.same(glance(name, parent)):
        raise changed(name)
    os.rename(draft, name, src_dir_fd=parent, dst_dir_fd=parent)


@contextlib.contextmanager
def _draft(name: str, parent: int, mode: int) -> Iterator[tuple[str, int]]:
    draft, fd = _open_draft(name, parent, mode)
    try:
        yield draft, fd
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=parent)
        raise
    finally:
        os.close(fd)


def _open_draft(name: str, parent: int, mode: int) -> tuple[str, int]:
    # The name is fixed, so that what a killed host left behind is replaced and not forgotten.
    draft = _draft_name(name, "")
    if _stale(draft, parent):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=parent)
    try:
        fd = os.open(draft, _NEW, mode, dir_fd=parent)
    except FileExistsError:
        draft = _draft_name(name, secrets.token_hex(4))
        fd = os.open(draft, _NEW, mode, dir_fd=parent)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return draft, fd


def _draft_name(name: str, suffix: str) -> str:
    return f".toolscript-{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}{suffix}.tmp"


def _stale(draft: str, parent: int) -> bool:
    """Say whether a draft lies there that no living process holds."""
    try:
        fd = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except FileNotFoundError:
        return False
    except OSError:  # unreadable, or a link: not a draft that lives
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _fill(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _reserve(fd: int, size: int) -> None:
    """Take the room before the first byte is lost, where the platform can."""
    if size and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise


def _put_back(fd: int, data: bytes | None, size: int) -> None:
    with contextlib.suppress(OSError):
        if data is not None:
            os.lseek(fd, 0, os.SEEK_SET)
            _fill(fd, data)
        os.ftruncate(fd, size)


def _inherit(fd: int, name: str, parent: int, old: os.stat_result) -> None:
    """Give the new file the owner and the extended attributes of the old, as far as this user may."""
    if (old.st_uid, old.st_gid) != (os.fstat(fd).st_uid, os.fstat(fd).st_gid):
        with contextlib.suppress(OSError):
            os.fchown(fd, old.st_uid, old.st_gid)
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError), regular(name, parent) as source:
            _copy_attributes(source, fd)


def _copy_attributes(source: int, target: int) -> None:
    copy: Callable[[str], None] = lambda key: os.setxattr(target, key, os.getxattr(source, key))  # noqa: E731
    for key in os.listxattr(source):
        with contextlib.suppress(OSError):
            copy(key)
