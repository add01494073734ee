"""Decides who may write a path: one call at a time, in this process and in every other of this user."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from pathlib import Path

import anyio

from toolscript.errors import ToolError
from toolscript.files.cancelling import check_cancelled
from toolscript.files.paths import folded

WAIT_SECONDS = 30.0
"""How long a call waits for another one that writes the same path."""

_held: ContextVar[frozenset[str]] = ContextVar("toolscript_locks_held", default=frozenset())


def lock_directory() -> Path:
    """Return where the locks of this user lie: in the state directory, never in a workspace."""
    state = os.environ.get("XDG_STATE_HOME") or ""
    if os.path.isabs(state):  # noqa: PTH117
        return Path(state) / "toolscript" / "locks"
    with contextlib.suppress(RuntimeError):
        return Path.home() / ".local" / "state" / "toolscript" / "locks"
    return Path(tempfile.gettempdir()) / f"toolscript-{os.getuid()}" / "locks"


class Locks:
    """Holds real paths by ``flock`` on one of 4 096 files, chosen by the path's digest.

    A fixed set of files needs no removal, so no race with it; two paths that share one only wait for each other.
    All are taken in one order, and each wait ends, so that no two calls block each other for ever. A block within
    a block (in the same task) takes only what is not held yet.
    """

    def __init__(self, folder: Path | None = None, *, wait: float = WAIT_SECONDS) -> None:
        self._folder = folder
        self._wait = wait

    @contextlib.contextmanager
    def hold(self, *paths: Path) -> Iterator[None]:
        """Hold the paths while the block runs; blocks the thread. Raises ToolError ``locked`` after the wait."""
        with contextlib.ExitStack() as stack:
            for pause in self._taking(stack, paths):
                check_cancelled()
                time.sleep(pause)
            yield

    @contextlib.asynccontextmanager
    async def hold_async(self, *paths: Path) -> AsyncIterator[None]:
        """Hold the paths while the block runs, letting the event loop go on meanwhile; threads and tasks started
        in the block hold them too. Raises ToolError ``locked`` after the wait."""
        with contextlib.ExitStack() as stack:
            for pause in self._taking(stack, paths):
                await anyio.sleep(pause)
            yield

    def _taking(self, stack: contextlib.ExitStack, paths: tuple[Path, ...]) -> Iterator[float]:
        """Take the locks into the stack, one after the other; yields how long to pause each time one is held."""
        until = time.monotonic() + self._wait
        wanted = _names(paths)
        for name in wanted:
            fd = stack.enter_context(self._file(name))
            for pause in _pauses():
                if _taken(fd):
                    break
                _give_up_after(until, self._wait)
                yield pause
        stack.enter_context(_holding(wanted))

    @contextlib.contextmanager
    def _file(self, name: str) -> Iterator[int]:
        folder = self._folder or lock_directory()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ToolError(
                f"cannot lock files: {folder}: {error.strerror}; set XDG_STATE_HOME to a directory that can be written",
                code="io_error",
            ) from error
        try:
            yield fd
        finally:
            os.close(fd)


def _names(paths: tuple[Path, ...]) -> list[str]:
    names = {hashlib.sha256(os.fsencode(folded(os.fspath(path)))).hexdigest()[:3] for path in paths}
    return sorted(names - _held.get())


@contextlib.contextmanager
def _holding(names: list[str]) -> Iterator[None]:
    token = _held.set(_held.get() | frozenset(names))
    try:
        yield
    finally:
        _held.reset(token)


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            return False
        raise ToolError(f"cannot lock files: {error.strerror}", code="io_error") from error
    return True


def _pauses() -> Iterator[float]:
    pause = 0.002
    while True:
        yield pause
        pause = min(pause * 1.5, 0.1)


def _give_up_after(until: float, waited: float) -> None:
    if time.monotonic() >= until:
        raise ToolError(f"another call has been writing this file for {waited:g} s; try again", code="locked")
