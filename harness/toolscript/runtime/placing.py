"""Decides on which processors a worker runs: not on its host's, while that looks for its answers."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolscript.runtime.process import WorkerProcess


def processors() -> frozenset[int]:
    """Return the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


SOON_SECONDS = 0.05
"""How long it is believed where the host runs: to ask takes longer than a frame does."""
MOST_IN_VAIN = 3
"""How much oftener a host may look in vain than with success, before its workers are left to the scheduler."""
LEFT_SECONDS = 0.25
"""For how long they are, then: the other processors have something else to do, or the scripts take their time."""
_STAT = "/proc/thread-self/stat"
_PROCESSOR = 36
"""Which of the numbers behind a thread's name tells where it ran last."""


class Placing:
    """Keeps a lone script's worker off the processor of its host, and lets every other run anywhere.

    The two work in turns that are shorter than the scheduler's: left to it, they end up on one processor again and
    again, where the one that looks for an answer keeps the other from giving it, or they change places and find
    nothing in the caches. Where a script takes its time, or others run beside it, the scheduler knows better.

    One must be used in one thread. It does nothing where there is one processor, or where the system does not let it.
    """

    def __init__(
        self, mine: Callable[[], Iterable[int]] = processors, now: Callable[[], float] = time.monotonic
    ) -> None:
        """``mine`` returns the processors that this process may run on now."""
        self._mine = mine
        self._all: frozenset[int] = frozenset()
        self._now = now
        self._stat = -1
        self._here, self._until = -1, float("-inf")
        self._vain, self._left_until = 0, float("-inf")
        self._able = hasattr(os, "sched_setaffinity")

    def keep_off(self, worker: WorkerProcess) -> None:
        """Keep this worker off the processor that the host runs on now."""
        if not self._able or (now := self._now()) < self._left_until:
            return
        if now > self._until:
            self._find(now)
        if self._here >= 0 and worker.kept_off != self._here:
            self._allow(worker, self._all - {self._here}, self._here)

    def looked(self, found: bool) -> None:
        """Know whether a host that looked for an answer found it."""
        self._vain = max(0, self._vain - 1) if found else self._vain + 1
        if self._vain >= MOST_IN_VAIN:
            self._vain, self._left_until = 0, self._now() + LEFT_SECONDS

    def lent(self, workers: Collection[WorkerProcess]) -> None:
        """Let these run wherever there is room, if they are more than one."""
        if len(workers) > 1:
            for worker in workers:
                self.anywhere(worker)

    def anywhere(self, worker: WorkerProcess) -> None:
        """Let this worker run wherever there is room."""
        if worker.kept_off >= 0:
            self._allow(worker, self._all, -1)

    def close(self) -> None:
        """Free what was opened."""
        self._able, self._here = False, -1
        if self._stat >= 0:
            os.close(self._stat)
            self._stat = -1

    def _allow(self, worker: WorkerProcess, processors: frozenset[int], kept_off: int) -> None:
        worker.kept_off = kept_off
        if worker.has_ended or not worker.pid:
            return
        # It may just be ending, or the system may have taken processors away since.
        with contextlib.suppress(OSError):
            os.sched_setaffinity(worker.pid, processors)

    def _find(self, now: float) -> None:
        self._until = now + SOON_SECONDS
        self._all, self._here = frozenset(self._mine()), -1
        if len(self._all) < 2:
            return
        try:
            if self._stat < 0:
                self._stat = os.open(_STAT, os.O_RDONLY | os.O_CLOEXEC)
            here = int(os.pread(self._stat, 1024, 0).rpartition(b")")[2].split()[_PROCESSOR])
        except (OSError, IndexError, ValueError):
            self.close()
        else:
            self._here = here if here in self._all else -1
