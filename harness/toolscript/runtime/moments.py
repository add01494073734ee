"""Decides how moments that hardly ever come are waited for: all of them with one timer of the loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

Action = Callable[[], None]


class Moments:
    """Calls something back for each who waits, once their moment has come; each waits for one at a time.

    To wait, wait anew and wait no longer costs the loop nothing, as a rule. A timer of its own would, each time: one
    that is cancelled stays where it is for long, and each that is set after it is compared with it.
    """

    def __init__(self) -> None:
        self._due: dict[object, tuple[float, Action]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._fires = float("inf")

    def __contains__(self, who: object) -> bool:
        return who in self._due

    def wait(self, who: object, seconds: float, action: Action) -> None:
        """Call ``action`` after so many seconds, and no longer what ``who`` waited for before."""
        when = time.monotonic() + seconds
        self._due[who] = when, action
        if when < self._fires:
            self._set(when, seconds)

    def forget(self, who: object) -> None:
        """Wait no longer for somebody."""
        self._due.pop(who, None)

    def close(self) -> None:
        """Wait no longer for anybody."""
        self._due.clear()
        self._stop()

    def _set(self, when: float, seconds: float) -> None:
        self._stop()
        self._timer, self._fires = asyncio.get_running_loop().call_later(seconds, self._fire), when

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._fires = None, float("inf")

    def _fire(self) -> None:
        now = time.monotonic()
        ripe = [who for who, (when, _) in self._due.items() if when <= now]
        self._stop()
        try:
            for who in ripe:
                self._call(who, now)
        finally:
            self._go_on()

    def _call(self, who: object, now: float) -> None:
        when, action = self._due.get(who, (float("inf"), None))
        if action is not None and when <= now:  # else another's action has changed that
            del self._due[who]
            action()

    def _go_on(self) -> None:
        nearest = min((when for when, _ in self._due.values()), default=float("inf"))
        if nearest < self._fires:
            self._set(nearest, max(0.0, nearest - time.monotonic()))
