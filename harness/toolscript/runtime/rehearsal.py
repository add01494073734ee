"""Decides which memory a new worker has at hand before it is needed: what a rehearsed one used.

One child goes the whole way of a worker, from its birth to the end of a script, and tells which pages it came to own
or to see; the others have these from the start. It is forked when all is as it will be for them: what lies where in
the heap depends on what was there before.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import compress, count

from toolscript.runtime.prefault import PAGE, POPULATE_READ, POPULATE_WRITE, Populate, Range, Room, packed
from toolscript.runtime.rehearsed import Soliloquy, cues
from toolscript.runtime.worker import Connection

_PRESENT, _EXCLUSIVE = 0x80, 0x01
_HIGHEST = 7 if sys.byteorder == "little" else 0
"""Which of the eight bytes that tell of a page holds these two bits."""
_SIGNS = {
    use: bytes(byte & sign == sign for byte in range(256))
    for use, sign in ((POPULATE_READ, _PRESENT), (POPULATE_WRITE, _PRESENT | _EXCLUSIVE))
}
_NEAR = {POPULATE_READ: 16, POPULATE_WRITE: 1}
"""Pages between two used ones that are taken along: one range is cheaper than two."""
_WORTH_COPYING = 16
"""Pages: a mapping that is copied costs about as much as ten that are looked up."""
_PATIENCE_SECONDS = 2.0
_SEEN = b"."
_REPORT = struct.Struct("=4I")
_ADDRESS = struct.Struct("=Q")

Mapping = tuple[int, int, int]
"""Address, length in bytes, and how it is used."""
Lock = Callable[..., tuple[str, ...]]
Work = Callable[[int, Lock, Callable[[socket.SocketType], Connection], int], object]


class Rehearsal:
    """One child's play, from both sides. Where the system does not tell, workers only begin a little slower."""

    def __init__(self, facade: str, lock: Lock) -> None:
        """``lock`` is a lock-down after which a process can still look at itself; it is told what stays open.

        Raises OSError where the system does not tell what lies where.
        """
        self._ours, self.theirs = socket.socketpair()
        self._told, tell = os.pipe()
        self._tell = os.fdopen(tell, "wb", 0)
        self._lock = lock
        self._cues = cues(facade)
        self._owned, self._seen, self._shared = Room(), Room(), Room()
        self._memory = os.open("/proc/self/mem", os.O_RDWR)
        self._mapped = list(_mapped())

    def play(self, fd: int, work: Work) -> None:
        """Work as the child, with the descriptor of a socket, and tell what that took."""
        pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)
        kept = (self._ours.fileno(), self._tell.fileno(), pagemap)
        _held = work(fd, lambda fd: self._lock(fd, *kept), lambda sock: Soliloquy(sock, self._ours, self._cues), 1)
        # Looked at first and thought about afterwards: thinking writes to memory, too.
        seen = [os.pread(pagemap, length // PAGE * 8, start // PAGE * 8) for start, length, _ in self._mapped]
        self._tell.write(_SEEN)
        self._tell.write(_report(self._mapped, seen))

    def watch(self, pid: int, ends: socket.socket) -> None:
        """Wait as the parent until the child has looked at what it took; ``ends`` tells when a child has ended.

        Nothing is done meanwhile: a page that the parent writes to is the child's own as well. Its end is heard of as
        that of any other.
        """
        ready, _, _ = select.select([self._told, ends.fileno()], [], [], _PATIENCE_SECONDS)
        if not ready:
            os.kill(pid, signal.SIGKILL)
        self._tell.close()
        os.read(self._told, len(_SEEN))

    def learned(self) -> tuple[Populate, ...]:
        """Return what a child calls first of all; ends the rehearsal."""
        self._tell.close()  # if nobody was there to be watched
        if select.select([self._told], [], [], _PATIENCE_SECONDS)[0]:
            with suppress(struct.error):  # of a child that was ended while it spoke
                self._hear(*_REPORT.unpack(os.read(self._told, _REPORT.size)))
        for fd in (self._told, self._memory):
            os.close(fd)
        self._ours.close()
        return (*self._owned.populate(POPULATE_WRITE), *self._seen.populate(POPULATE_READ))

    def _hear(self, size: int, owned: int, seen: int, shared: int) -> None:
        mappings = os.read(self._told, size)
        self._owned.read(self._told, owned)
        self._seen.read(self._told, seen)
        self._shared.read(self._told, shared)
        for (mapping,) in _ADDRESS.iter_unpack(mappings):
            _make_own(self._memory, mapping)
        for populate in self._shared.populate(POPULATE_READ):
            populate()


def _make_own(memory: int, page: int) -> None:
    """Have every fork copy where the pages of a file's mapping lie, in which this page is.

    The kernel leaves out of a fork what a child could look up again, page by page: it copies the tables of a mapping
    only if one of its pages is this process's own. So one page of each is made so, by writing to it what it holds.
    """
    with suppress(OSError):
        os.pwrite(memory, os.pread(memory, 1, page), page)


def _mapped() -> Iterator[Mapping]:
    """Yield the private mappings: memory that is written to, and files' pages that are only read or run."""
    with open("/proc/self/maps") as maps:
        lines = maps.read().splitlines()
    for line in lines:
        span, access, _, _, inode, *_ = line.split()
        low, high = (int(end, 16) for end in span.split("-"))
        if access.startswith("rw") and access.endswith("p"):
            yield low, high - low, POPULATE_WRITE
        elif access.startswith("r") and inode != "0":
            yield low, high - low, POPULATE_READ


def _report(mapped: list[Mapping], entries: list[bytes]) -> bytes:
    """Return which mappings are worth to be shared, what is owned, what is seen beside, and what in these."""
    owned: list[Range] = []
    seen: list[Range] = []
    shared: list[Range] = []
    mappings: list[int] = []
    for (start, _, use), found in zip(mapped, entries, strict=True):
        ranges = list(_used(start, use, found))
        if use == POPULATE_WRITE:
            owned += ranges
        elif sum(size for _, size in ranges) >= _WORTH_COPYING * PAGE:
            shared += ranges
            mappings.append(start)
        else:
            seen += ranges
    parts = (b"".join(map(_ADDRESS.pack, mappings)), packed(owned), packed(seen), packed(shared))
    return _REPORT.pack(*map(len, parts)) + b"".join(parts)


def _used(start: int, use: int, entries: bytes) -> Iterator[Range]:
    pages = compress(count(), entries[_HIGHEST::8].translate(_SIGNS[use]))
    first = last = -1
    for page in pages:
        if first >= 0 and page - last > _NEAR[use]:
            yield start + first * PAGE, (last - first + 1) * PAGE
            first = page
        elif first < 0:
            first = page
        last = page
    if first >= 0:
        yield start + first * PAGE, (last - first + 1) * PAGE
