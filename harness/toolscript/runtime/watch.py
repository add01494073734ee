"""Decides when the host ends a worker that computes too long: ring 3, which trusts nothing in the worker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from toolscript.errors import GuestTimeExceeded, ToolscriptError, WorkerCrashed
from toolscript.runtime.control import STEP_SECONDS

if TYPE_CHECKING:
    from toolscript.limits import Limits
    from toolscript.runtime.process import WorkerProcess

FACTOR = 1.2
GRACE_SECONDS = 0.25
STALL_FACTOR = 10
PROGRESS = 0.1
"""The part of its guest time that a worker must use within the bound, so as not to count as stalled."""


class Watch:
    """Watches one worker for one script; time counts only between :meth:`runs` and :meth:`rests`.

    One timer is kept going: it never fires later than needed, and looks at the worker's CPU clock when it does.
    """

    def __init__(self, worker: WorkerProcess, limits: Limits) -> None:
        self._worker = worker
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._baseline = worker.cpu_seconds()
        self._allowed = limits.guest_seconds * FACTOR + GRACE_SECONDS
        self._since: float | None = None
        self._seen = self._baseline
        self._timer = self._loop.call_later(self._allowed, self._look)

    def runs(self, steps: int = 0) -> None:
        """The worker has something to do; so many steps of it are settlements."""
        self._since = self._loop.time()
        self._allowed += steps * STEP_SECONDS

    def rests(self) -> None:
        """The worker has answered everything."""
        self._since = None

    def close(self) -> None:
        """Watch no longer."""
        self._timer.cancel()

    def _look(self) -> None:
        clock = self._worker.cpu_seconds()
        left = self._allowed - (clock - self._baseline)
        if self._since is not None:
            if left <= 0:
                return self._end(GuestTimeExceeded(
                    self._limits.guest_seconds, round(clock - self._baseline, 3), note="the worker was killed"
                ))  # fmt: skip
            if clock - self._seen >= PROGRESS * self._limits.guest_seconds:
                # It computes, if slowly: a busy machine is no reason to end it.
                self._seen, self._since = clock, self._loop.time()
            stalled = self._loop.time() - self._since
            patience = STALL_FACTOR * self._limits.guest_seconds + GRACE_SECONDS
            if stalled >= patience:
                return self._end(WorkerCrashed(f"the worker made no progress for {stalled:.1f} s and was killed"))
            left = min(left, patience - stalled)
        self._timer = self._loop.call_later(max(left, 0.001), self._look)
        return None

    def _end(self, why: ToolscriptError) -> None:
        self._worker.kill()
        self._worker.link.break_(why)
