"""Decides how lines reach the disk: appended by one writer, each naming the one before, synced together."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import anyio
import anyio.to_thread

from toolscript.errors import JournalDamaged, JournalError, Json
from toolscript.journal.codec import line_hash, line_of, short_line
from toolscript.journal.private import CREATE, sync_dir, sync_fd
from toolscript.journal.reader import lines
from toolscript.journal.records import Record

LOOKS, LOOK_SECONDS = 10, 0.002
"""How often a lock is tried for that somebody may hold who only looks whether there is a writer."""

Flush = Callable[[], None]


class SharedSync:
    """Makes everything written so far durable; callers that come during one flush share the next.

    ``prepare`` runs on the loop and returns what a thread then does: whatever was written until then.
    """

    def __init__(self, prepare: Callable[[], Flush]) -> None:
        self._prepare = prepare
        self.written = 0
        """How much was written so far; whoever writes counts it."""
        self._durable = 0
        self._flushing: anyio.Event | None = None
        # Own thread slot: a run whose tools block all other threads must still get its journal to disk.
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(self) -> None:
        """Return when everything written before the call is durable. Raises what flushing raised."""
        wanted = self.written
        while self._durable < wanted:
            if self._flushing is not None:
                await self._flushing.wait()
            else:
                await self._flush()

    async def _flush(self) -> None:
        self._flushing = done = anyio.Event()
        self._limiter = self._limiter or anyio.CapacityLimiter(1)
        reaching = self.written
        try:
            await anyio.to_thread.run_sync(self._prepare(), limiter=self._limiter)
            self._durable = reaching
        finally:
            self._flushing = None
            done.set()


class ChainedFile:
    """An append-only file of JSON lines under one writer's lock; ``keep`` takes what is too large for a line.

    Raises JournalError when it cannot be opened or written; after a failed write or sync nothing is accepted
    any more, since what is on disk is no longer known.
    """

    def __init__(
        self, path: Path, *, resume: bool = False, keep: Callable[[bytes], str], fd: int | None = None
    ) -> None:
        """Open the file; ``fd`` is that of an empty one that was made and locked already."""
        self.path = path
        self._keep = keep
        self._broken: str | None = None
        self._fd = _opened(path, resume) if fd is None else fd
        try:
            self._size, self._last = _resumed(path, self._fd) if resume else (0, "")
        except BaseException:
            os.close(self._fd)
            raise
        self._new_name = not resume
        self._held: list[bytes] | None = None

    def together(self) -> AbstractContextManager[None]:
        """Write the lines of the block at once, at its end or when :meth:`settle` is called; it may not wait."""
        return _Together(self)

    def settle(self) -> None:
        """Write what is held."""
        if self._held and self._broken is None:
            held, self._held = self._held, []
            self._write(b"".join(held))

    def append(self, kind: str, fields: dict[str, Json]) -> None:
        """Append one line; a crash of this process does not lose it, a crash of the machine may."""
        self.check()
        self._put(line_of(kind, fields, self._last, self._keep))

    def append_short(self, record: Record, clean: Callable[[bytes], bool]) -> bool:
        """Do as :meth:`append` with a record that needs no body and whose line is clean; says whether it is one."""
        self.check()
        line = short_line(record, self._last)
        if line is None or not clean(line):
            return False
        self._put(line)
        return True

    def _put(self, line: bytes) -> None:
        if self._held is None:
            self._write(line + b"\n")
        else:
            self._held += (line, b"\n")
        self._last = line_hash(line)

    def _write(self, data: bytes) -> None:
        try:
            self._write_all(data)
        except OSError as error:
            raise self.fail(error) from None
        except BaseException:
            self.fail(OSError("interrupted"))
            raise
        self._size += len(data)

    def _write_all(self, data: bytes) -> None:
        written = os.write(self._fd, data)
        while written < len(data):
            written += os.write(self._fd, memoryview(data)[written:])

    def check(self) -> None:
        """Raise JournalError if the file does not accept lines any more."""
        if self._broken is not None:
            raise JournalError(self._broken)

    def fail(self, error: OSError) -> JournalError:
        """Accept nothing from now on; returns the error to raise."""
        self._broken = f"the journal {self.path} cannot be written: {error.strerror or error}"
        with contextlib.suppress(OSError):  # a torn last line is passed over by every reader
            os.ftruncate(self._fd, self._size)
        return JournalError(self._broken)

    def flush(self) -> None:
        """Make the lines durable that were written; blocks, and may run in a thread beside :meth:`append`."""
        self.check()
        try:
            sync_fd(self._fd)
            if self._new_name:
                sync_dir(self.path.parent)
                self._new_name = False
        except OSError as error:
            raise self.fail(error) from None

    def close(self) -> None:
        """Give up file and lock."""
        if self._broken is None:
            self._broken = f"the journal {self.path} is closed"
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class _Together:
    """A block whose lines are written at once; a class, since this is on the way of every script."""

    def __init__(self, file: ChainedFile) -> None:
        self._file = file

    def __enter__(self) -> None:
        self._file._held = []

    def __exit__(self, *raised: object) -> None:
        try:
            self._file.settle()
        finally:
            self._file._held = None


def _opened(path: Path, resume: bool) -> int:
    flags = CREATE & ~(os.O_CREAT | os.O_EXCL) if resume else CREATE
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be opened: {error.strerror}") from None
    try:
        _lock(fd)
    except OSError as error:
        os.close(fd)
        busy = error.errno in (errno.EAGAIN, errno.EACCES)
        why = "another process writes it" if busy else error.strerror
        raise JournalError(f"the journal {path} cannot be locked: {why}") from None
    return fd


def _lock(fd: int) -> None:
    """Take a file's lock. Raises OSError where somebody keeps it: who only looks for a writer has it for a moment."""
    for _ in range(LOOKS):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(LOOK_SECONDS)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _resumed(path: Path, fd: int) -> tuple[int, str]:
    """Return size and last hash of a file whose chain was verified, the torn last line cut off."""
    size, last = 0, ""
    for line in lines(path, first=None):
        size, last = line.end, line.hash
    if not last:
        raise JournalDamaged(str(path), 1, "it holds no record")
    os.ftruncate(fd, size)
    return size, last
