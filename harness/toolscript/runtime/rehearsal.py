"""Decides which memory a new worker makes its own before it is needed: what a rehearsed script wrote to.

A forked child shares its parent's pages until it writes; each first write then costs a fault in the middle of a
script. So one child plays a script and tells which pages became its own; the others own these from the start.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from toolscript.runtime.engine import Drained, Engine, Script
from toolscript.runtime.session import FacadeEntry, Settlement, Start
from toolscript.runtime.wire import encode_settle, encode_start

PAGE = 4096
_POPULATE_WRITE = 23
_PRESENT, _EXCLUSIVE = 1 << 63, 1 << 56
_NEAR = 2
"""Pages between two written ones that are taken along: one call is cheaper than two."""

Range = tuple[int, int]
"""Address and length in bytes."""

_CODE = "const r = await tools.a({command: ['x', 1]}); console.log('r', r.x); const e = [await tools.b.c(r)]; return e;"
_TOOLS = (FacadeEntry(path=("a",), positional=("command",), flat=True), FacadeEntry(path=("b", "c")))
_PATIENCE_SECONDS = 2.0
_PRACTICE = 12
"""Scripts after which the interpreter has made its code its own, as it does for what is run often."""


def _frames(code: str, serial: int) -> list[bytes]:
    start = Start(source=code, prepared=code, last_expression=False, facade=_TOOLS)
    settlements = (Settlement(number=n, ok=True, value='{"x":1}', time_ms=n) for n in (1, 2))
    return [encode_start(start, serial, furnished=""), *map(encode_settle, settlements)]


class Mute:
    """An engine that costs nothing: it says a word, waits twice, and ends."""

    def __init__(self) -> None:
        self._turns = 0

    def furnish(self, facade: str) -> None:
        """Have no tools."""

    def start(self, script: Script) -> Drained:
        """Say a word."""
        return self.settle(0, True, "", 0.0)

    def settle(self, number: int, ok: bool, value: str, time_ms: float) -> Drained:
        """Say a word; end the third time."""
        self._turns += 1
        return Drained(messages='["l","log","x",1,0]', ended=self._turns == 3)

    def interrupt(self) -> None:
        """End next time."""
        self._turns = 2

    def close(self) -> None:
        """Begin anew."""
        self._turns = 0


def practise(serve: Callable[[socket.socket, Callable[[], Engine], int], None]) -> None:
    """Let this process serve a few scripts itself, so that its children need not learn what it knows.

    ``serve`` is given engines that cost nothing: what is practised is the way of a script through the worker.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for serial in range(1, _PRACTICE + 1):
            ours.sendall(b"".join(_frames(_CODE, serial)))
        ours.shutdown(socket.SHUT_WR)
        serve(theirs, Mute, _PRACTICE)


def rehearse(become: Callable[[socket.socket], None]) -> list[Range]:
    """Fork a child that serves a script through ``become``, and return what it wrote to.

    Returns nothing where the system does not tell: then workers only begin a little slower.
    """
    ours, theirs = socket.socketpair()
    told, tell = os.pipe()
    mapped = list(_writable())
    ours.sendall(b"".join(_frames(_CODE, 1)))
    ours.shutdown(socket.SHUT_WR)
    pid = os.fork()
    if pid == 0:
        _act(theirs, tell, mapped, become)
    os.close(tell)
    # Nothing is done meanwhile: a page that the parent writes to is the child's own as well.
    ready, _, _ = select.select([told], [], [], _PATIENCE_SECONDS)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    ours.close()
    theirs.close()
    with os.fdopen(told, "rb") as report:
        data = report.read()
    return [*struct.iter_unpack("=QQ", data[: len(data) - len(data) % 16])]


def _act(theirs: socket.socket, tell: int, mapped: list[Range], become: Callable[[socket.socket], None]) -> None:
    try:
        become(theirs)
        # Looked at first and thought about afterwards: thinking writes to memory, too.
        pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)
        seen = [os.pread(pagemap, length // PAGE * 8, start // PAGE * 8) for start, length in mapped]
        spans = (found for (start, _), entries in zip(mapped, seen, strict=True) for found in _own(start, entries))
        os.write(tell, b"".join(struct.pack("=QQ", *found) for found in spans))
    finally:
        os._exit(0)


def _writable() -> Iterator[Range]:
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, access, *_ = line.split()
        if access.startswith("rw") and access.endswith("p"):
            low, high = (int(end, 16) for end in span.split("-"))
            yield low, high - low


def _own(start: int, entries: bytes) -> Iterator[Range]:
    pages = [
        at for at, (entry,) in enumerate(struct.iter_unpack("=Q", entries)) if entry & _PRESENT and entry & _EXCLUSIVE
    ]
    return _merged(start, pages)


def _merged(start: int, pages: list[int]) -> Iterator[Range]:
    first = last = -1
    for page in pages:
        if first >= 0 and page - last > _NEAR:
            yield start + first * PAGE, (last - first + 1) * PAGE
            first = page
        elif first < 0:
            first = page
        last = page
    if first >= 0:
        yield start + first * PAGE, (last - first + 1) * PAGE


class Prefault:
    """Makes memory that a process will write to its own."""

    def __init__(self, ranges: list[Range]) -> None:
        self._ranges = [(ctypes.c_void_p(start), ctypes.c_size_t(length)) for start, length in ranges]
        self._madvise = ctypes.CDLL(None).madvise

    def __call__(self) -> None:
        """Copy the pages now; where the system cannot, they are copied when they are written to."""
        for start, length in self._ranges:
            self._madvise(start, length, _POPULATE_WRITE)
