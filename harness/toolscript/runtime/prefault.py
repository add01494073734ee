"""Decides how memory is brought within a process's reach before it is needed: in one call, with nothing made for it.

A forked child shares its parent's pages until it writes, and finds those of programs and libraries only when it
touches them; each first time costs a fault in the middle of a script.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from toolscript.confine import syscalls

PAGE = 4096
POPULATE_READ, POPULATE_WRITE = 22, 23
"""What is asked of the kernel for pages that a process sees, and for those that it writes to."""
MOST_RANGES = 1024
"""As many as the kernel takes at once."""
_THIS_PROCESS = -10000
"""What the kernel takes, since 6.14, for a descriptor of the process that asks."""
_RANGE = struct.Struct("@PN")

Range = tuple[int, int]
"""Address, and length in bytes."""
Populate = Callable[[], object]


def packed(ranges: Sequence[Range]) -> bytes:
    """Return ranges as the kernel reads them, and :class:`Room` does."""
    return b"".join(_RANGE.pack(*found) for found in ranges[:MOST_RANGES])


class Room:
    """Holds ranges that are not known yet: to fill it moves nothing else that this process has in its memory."""

    def __init__(self) -> None:
        self._held = ctypes.create_string_buffer(MOST_RANGES * _RANGE.size)
        self._size = 0
        # Neither errors nor other threads are looked after: both would be memory that is touched.
        self._libc = ctypes.PyDLL(None)
        arch = syscalls.machine()
        self._number = None if arch is None else syscalls.number("process_madvise", arch)

    def read(self, fd: int, size: int) -> None:
        """Fill it with so many bytes of a descriptor, which :func:`packed` made."""
        self._size = 0
        view = memoryview(self._held)
        while self._size < size and (got := os.readv(fd, [view[self._size : size]])):
            self._size += got

    def populate(self, use: int) -> list[Populate]:
        """Return what has the kernel map these pages, or copy them for the process that calls it.

        That is one call, for which nothing need be made, where the kernel takes many ranges at once.
        """
        if self._at_once():
            count = self._size // _RANGE.size
            return [partial(self._libc.syscall, self._number, _THIS_PROCESS, self._held, count, use, 0)]
        return [
            partial(self._libc.madvise, ctypes.c_void_p(start), ctypes.c_size_t(length), use)
            for start, length in self._ranges()
        ]

    def _at_once(self) -> bool:
        """Try with the first range, at which it is only looked."""
        if self._number is None or self._size == 0:
            return False
        done = self._libc.syscall(self._number, _THIS_PROCESS, self._held, 1, POPULATE_READ, 0)
        return bool(done == next(self._ranges())[1])

    def _ranges(self) -> Iterator[Range]:
        return _RANGE.iter_unpack(memoryview(self._held)[: self._size])
