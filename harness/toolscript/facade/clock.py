"""Decides how a run's wall time passes: it stands still only while everything pending waits for a person."""

from __future__ import annotations

import time
from collections.abc import Callable


class WallClock:
    """Counts the seconds of one run; timers and the wall limit follow it."""

    def __init__(self, limit: float, now: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._now = now
        self._counted = 0.0
        self._since: float | None = now()
        self._began = self._since
        self.waited = 0.0
        """Seconds for which the clock stood still."""

    @property
    def elapsed(self) -> float:
        """Seconds counted so far."""
        return self._counted + (0.0 if self._since is None else self._now() - self._since)

    @property
    def stopped(self) -> bool:
        """Whether the clock stands still."""
        return self._since is None

    def stop(self) -> None:
        """Stand still; stopping twice changes nothing."""
        if self._since is not None:
            self._counted = self.elapsed
            self._since = None
            self._began = self._now()

    def go(self) -> None:
        """Count on; going twice changes nothing."""
        if self._since is None:
            self._since = self._now()
            self.waited += self._since - self._began

    def until(self, moment: float) -> float | None:
        """Return the real seconds until ``moment`` on this clock, or None while it stands still."""
        return None if self.stopped else max(0.0, moment - self.elapsed)

    @property
    def exceeded(self) -> bool:
        """Whether the limit is used up."""
        return self.elapsed >= self.limit
