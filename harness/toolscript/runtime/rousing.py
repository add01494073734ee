"""Decides when a worker gets ready for a script that is about to come, or is likely to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from toolscript.runtime.control import ROUSED_SECONDS
from toolscript.runtime.placing import Placing

if TYPE_CHECKING:
    from toolscript.runtime.process import WorkerProcess

AT_ONCE_SECONDS = 0.001
"""How soon after another a script comes that is taken for one of a row, in which the next will come as soon."""
_STILL_SECONDS = 0.8 * ROUSED_SECONDS


class Rousing:
    """Rouses the worker that comes next: when a script is being prepared, and behind each script of a row."""

    def __init__(self, placing: Placing, now: Callable[[], float] = time.monotonic) -> None:
        self._placing = placing
        self._now = now
        self._roused: WorkerProcess | None = None
        self._until = self._ended = float("-inf")
        self._in_a_row = False

    def began(self) -> None:
        """A worker was lent."""
        self._in_a_row = self._now() - self._ended < AT_ONCE_SECONDS

    def ended(self, following: WorkerProcess | None) -> None:
        """A worker came back; ``following`` is the one that comes next, where that has a processor to itself."""
        self._ended = self._now()
        if self._in_a_row and following is not None:
            self.rouse(following)

    def rouse(self, worker: WorkerProcess) -> None:
        """Have this worker get ready, unless it still looks for a script."""
        now = self._now()
        if worker is not self._roused or now > self._until:
            self._roused, self._until = worker, now + _STILL_SECONDS
            self._placing.keep_off(worker)
            worker.rouse()
