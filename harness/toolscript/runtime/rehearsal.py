"""Decides which memory a new worker has at hand before it is needed: what a rehearsed script used.

A forked child shares its parent's pages until it writes, and finds those of programs and libraries only when it
touches them; each first time costs a fault in the middle of a script. So one child plays a script and tells which
pages it came to own or to see; the others have these from the start.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

from toolscript.confine import libc, syscalls
from toolscript.runtime.engine import Drained, Engine, Script
from toolscript.runtime.session import FacadeEntry, Settlement, Start
from toolscript.runtime.wire import encode_settle, encode_start, facade_text

PAGE = 4096
POPULATE_READ, POPULATE_WRITE = 22, 23
"""What is asked of the kernel for pages that a script sees, and for those that it writes to."""
_PRESENT, _EXCLUSIVE = 1 << 63, 1 << 56
_NEAR = {POPULATE_READ: 16, POPULATE_WRITE: 1}
"""Pages between two used ones that are taken along: one range is cheaper than two."""
_MOST_RANGES = 1024
_WORTH_COPYING = 16
_THIS_PROCESS = -10000
"""What the kernel takes, since 6.14, for a descriptor of the process that asks."""

Range = tuple[int, int, int]
"""Address, length in bytes, and what is asked of the kernel for it."""

Become = Callable[[int, tuple[int, ...]], object]

_CODE = (
    "const r = await tools{0}({{command: ['x', 1]}}); console.log('r', r.x); const e = [await tools{0}(r)]; return e;"
)
FACADE = facade_text((FacadeEntry(path=("a",), positional=("command",), flat=True), FacadeEntry(path=("b", "c"))))
"""The tools that are laid out where none are known yet."""
_PATIENCE_SECONDS = 2.0
_PRACTICE = 12
"""Scripts after which the interpreter has made its code its own, as it does for what is run often."""


def _frames(serial: int, facade: str) -> list[bytes]:
    """Return what a host sends for a script whose worker has its tools laid out already."""
    code = _CODE.format(_called(json.loads(facade)))
    start = Start(source=code, prepared=code, last_expression=False, facade=())
    settlements = (Settlement(number=n, ok=True, value='{"x":1}', time_ms=n) for n in (1, 2))
    return [encode_start(start, serial, furnished=facade_text(())), *map(encode_settle, settlements)]


def _called(room: dict[str, Any]) -> str:
    """Return the way to one of a facade's tools; one that there is not is called alike, and dearer."""
    for name, node in room.get("c", {}).items():
        if "p" in node:
            return f"[{json.dumps(name)}]"
        return f"[{json.dumps(name)}]{_called(node)}"
    return ".none"


class Mute:
    """An engine that costs nothing: it says a word, waits twice, and ends."""

    def __init__(self) -> None:
        self._turns = 0

    def furnish(self, facade: str) -> None:
        """Have no tools."""

    def measure(self, *, lasting: bool) -> None:
        """Hold nothing."""

    def start(self, script: Script) -> Drained:
        """Say a word."""
        return self.settle(0, True, "", 0.0)

    def settle(self, number: int, ok: bool, value: str, time_ms: float) -> Drained:
        """Say a word; end the third time."""
        self._turns += 1
        return Drained(messages='["l","log","x",1,0]', ended=self._turns == 3)

    def limber(self) -> Iterator[None]:
        """Do nothing: there is no realm."""
        return iter(())

    def interrupt(self) -> None:
        """End next time."""
        self._turns = 2

    def light(self) -> bool:
        """Never: it is closed, and begins anew."""
        return False

    def close(self) -> None:
        """Begin anew."""
        self._turns = 0


def practise(serve: Callable[[socket.socket, Callable[[], Engine], int], object]) -> None:
    """Let this process serve a few scripts itself, so that its children need not learn what it knows.

    ``serve`` is given engines that cost nothing: what is practised is the way of a script through the worker.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for serial in range(1, _PRACTICE + 1):
            ours.sendall(b"".join(_frames(serial, FACADE)))
        ours.shutdown(socket.SHUT_WR)
        serve(theirs, Mute, _PRACTICE)


def rehearse(become: Become, facade: str) -> list[Range]:
    """Fork a child that serves a script through ``become``, and return which memory it used, and how.

    ``become`` is given the descriptor of a socket, and those that must stay open besides. What it returns is kept. The
    script calls a tool of ``facade``, which is laid out.
    Returns nothing where the system does not tell: then workers only begin a little slower.
    """
    ours, theirs = socket.socketpair()
    told, tell = os.pipe()
    mapped = list(_mapped())
    ours.sendall(b"".join(_frames(1, facade)))
    ours.shutdown(socket.SHUT_WR)
    pid = os.fork()
    if pid == 0:
        _act(theirs.fileno(), tell, mapped, become)
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
    return [*_RANGE.iter_unpack(data[: len(data) - len(data) % _RANGE.size])]


_RANGE = struct.Struct("=QQI")


def _act(theirs: int, tell: int, mapped: list[Range], become: Become) -> None:
    try:
        pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)
        _served = become(theirs, (tell, pagemap))
        # Looked at first and thought about afterwards: thinking writes to memory, too.
        seen = [os.pread(pagemap, length // PAGE * 8, start // PAGE * 8) for start, length, _ in mapped]
        spans = (
            found for (start, _, use), entries in zip(mapped, seen, strict=True) for found in _used(start, use, entries)
        )
        with os.fdopen(tell, "wb") as report:
            report.write(b"".join(_RANGE.pack(*found) for found in spans))
    finally:
        os._exit(0)


def _mapped() -> Iterator[Range]:
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


def _used(start: int, use: int, entries: bytes) -> Iterator[Range]:
    sign = _PRESENT | _EXCLUSIVE if use == POPULATE_WRITE else _PRESENT
    pages = [at for at, (entry,) in enumerate(struct.iter_unpack("=Q", entries)) if entry & sign == sign]
    return _merged(start, use, pages)


def _merged(start: int, use: int, pages: list[int]) -> Iterator[Range]:
    first = last = -1
    for page in pages:
        if first >= 0 and page - last > _NEAR[use]:
            yield start + first * PAGE, (last - first + 1) * PAGE, use
            first = page
        elif first < 0:
            first = page
        last = page
    if first >= 0:
        yield start + first * PAGE, (last - first + 1) * PAGE, use


def share(ranges: list[Range]) -> list[Range]:
    """Have every fork copy where the files' pages lie that are in these ranges; return the ranges that are left to it.

    The kernel leaves out of a fork what a child could look up again, page by page: it copies the tables of a mapping
    only if one of its pages is this process's own. So one page of each is made so, by writing to it what it holds.
    """
    try:
        memory = os.open("/proc/self/mem", os.O_RDWR)
    except OSError:
        return ranges
    copied: list[Range] = []
    for low, length, use in _mapped():
        inside = [found for found in ranges if use == found[2] == POPULATE_READ and low <= found[0] < low + length]
        # A mapping that is copied costs about as much as ten pages that are looked up.
        if sum(size for _, size, _ in inside) >= _WORTH_COPYING * PAGE and _owned(memory, low):
            copied += inside
    os.close(memory)
    Prefault(copied)()
    return [found for found in ranges if found not in copied]


def _owned(memory: int, page: int) -> bool:
    try:
        os.pwrite(memory, os.pread(memory, 1, page), page)
    except OSError:
        return False
    return True


class Prefault:
    """Brings memory that a process will use within its reach; what it will write to becomes its own."""

    def __init__(self, ranges: list[Range]) -> None:
        self._ranges = [(ctypes.c_void_p(start), ctypes.c_size_t(length), use) for start, length, use in ranges]
        self._madvise = ctypes.CDLL(None).madvise
        arch = syscalls.machine()
        self._call = None if arch is None else syscalls.number("process_madvise", arch)
        self._vectors = [*_vectors(ranges)]

    def __call__(self) -> None:
        """Copy or map the pages now; where the system cannot, that is done when they are touched."""
        if not self._at_once():
            for start, length, use in self._ranges:
                self._madvise(start, length, use)

    def _at_once(self) -> bool:
        """Ask for many ranges in one call, which newer kernels allow for oneself."""
        if self._call is None:
            return False
        try:
            for vector, count, size, use in self._vectors:
                done = libc.syscall(self._call, _THIS_PROCESS, vector, count, use, 0)
                if done != size:
                    return False
        except OSError:
            return False
        return True


def _vectors(ranges: list[Range]) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield, for each use, lists of ranges as the kernel reads them: with their count and their size in all."""
    for use in (POPULATE_READ, POPULATE_WRITE):
        of_use = [found for found in ranges if found[2] == use]
        for at in range(0, len(of_use), _MOST_RANGES):
            part = of_use[at : at + _MOST_RANGES]
            vector = b"".join(struct.pack("@PN", start, length) for start, length, _ in part)
            yield vector, len(part), sum(length for _, length, _ in part), use
