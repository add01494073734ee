"""Decides when the host ends a worker that computes too long: ring 3, which trusts nothing in the worker."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from toolscript.errors import GuestTimeExceeded, ToolscriptError, WorkerCrashed
from toolscript.runtime.control import STEP_SECONDS

if TYPE_CHECKING:
    from toolscript.limits import Limits
    from toolscript.runtime.moments import Moments
    from toolscript.runtime.process import WorkerProcess

FACTOR = 1.2
GRACE_SECONDS = 0.25
STALL_FACTOR = 10
PROGRESS = 0.1
"""The part of its guest time that a worker must use within the bound, so as not to count as stalled."""


class Watch:
    """Watches one worker for one script, which it has just got; time counts until :meth:`rests`, and from :meth:`runs`.

    One moment is always waited for: it never comes later than needed, and the worker's CPU clock is looked at then.
    """

    def __init__(self, worker: WorkerProcess, limits: Limits, moments: Moments) -> None:
        self._worker = worker
        self._limits = limits
        self._moments = moments
        self._baseline = worker.cpu_seconds()
        self._allowed = limits.guest_seconds * FACTOR + GRACE_SECONDS
        self._since: float | None = time.monotonic()
        self._seen = self._baseline
        moments.wait(self, self._allowed, self._look)

    def runs(self, steps: int) -> None:
        """The worker has something to do: so many settlements."""
        self._since = time.monotonic()
        self.grant(steps)

    def grant(self, steps: int) -> None:
        """Allow for so many settlements, though nobody looks yet what the worker makes of them."""
        self._allowed += steps * STEP_SECONDS

    def rests(self) -> None:
        """The worker has answered everything."""
        self._since = None

    def close(self) -> None:
        """Watch no longer."""
        self._moments.forget(self)

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
                self._seen, self._since = clock, time.monotonic()
            stalled = time.monotonic() - self._since
            patience = STALL_FACTOR * self._limits.guest_seconds + GRACE_SECONDS
            if stalled >= patience:
                return self._end(WorkerCrashed(f"the worker made no progress for {stalled:.1f} s and was killed"))
            left = min(left, patience - stalled)
        self._moments.wait(self, max(left, 0.001), self._look)
        return None

    def _end(self, why: ToolscriptError) -> None:
        self._worker.kill()
        self._worker.link.break_(why)
