"""Decides what stands above the supervisor: a process that ends what a killed supervisor and its keepers leave behind.

It does nothing else, so nothing can go wrong in it, and it belongs to no group that its children belong to.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import struct
from collections.abc import Iterable

from toolscript.confine import process, processes

_COUNT = struct.Struct("=i")
_MOST = 4096


class Roll:
    """The living keepers, in memory that warden and supervisor share: they go on when the supervisor is killed."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _COUNT.size * (_MOST + 1))

    def write(self, pids: Iterable[int]) -> None:
        """Replace what is written."""
        listed = list(pids)[:_MOST]
        self._memory[: _COUNT.size * (len(listed) + 1)] = struct.pack(f"={len(listed) + 1}i", len(listed), *listed)

    def read(self) -> set[int]:
        """Return what was written last."""
        (count,) = _COUNT.unpack_from(self._memory)
        return set(struct.unpack_from(f"={count}i", self._memory, _COUNT.size))


def divide(roll: Roll) -> None:
    """Fork: the child returns, to be the supervisor; the parent watches over it and never returns."""
    with contextlib.suppress(OSError):
        process.adopt_orphans()
    supervisor = os.fork()
    if supervisor == 0:
        # A signal to this group reaches the supervisor and its keepers, not the one above.
        os.setsid()
        return
    os.closerange(0, 3)
    try:
        _watch(supervisor, roll)
    finally:
        os._exit(0)


def _watch(supervisor: int, roll: Roll) -> None:
    """Wait until every child has ended; after the supervisor, only keepers may live."""
    bereft = False
    while True:
        try:
            pid, status = os.waitpid(-1, os.WUNTRACED)
        except ChildProcessError:
            return
        if os.WIFSTOPPED(status):
            # Nobody has reason to stop these: while one stands still, nothing below it is ended.
            os.kill(pid, signal.SIGCONT)
            continue
        bereft = bereft or pid == supervisor
        if bereft:
            _end_strays(roll.read())


def _end_strays(keepers: set[int]) -> None:
    """Kill what came from a keeper that is dead, until nothing of it is left."""
    while strays := [pid for pid in processes.children(os.getpid()) if pid not in keepers and processes.alive(pid)]:
        below = [pid for stray in strays for pid in (stray, *processes.descendants(stray))]
        processes.send(below, signal.SIGSTOP)
        processes.send(below, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            for pid in strays:
                os.waitpid(pid, 0)
