"""Decides how a script's console lines become events: soon, in order, batched when they come too fast."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from toolscript.events import Emitter, ScriptLog
from toolscript.units import size

if TYPE_CHECKING:
    from toolscript.limits import Limits
    from toolscript.runtime.session import Log

Level = Literal["debug", "log", "info", "warn", "error"]
SEVERITY: tuple[Level, ...] = ("debug", "log", "info", "warn", "error")


class Console:
    """Turns the lines of one run into at most ``console_events`` events, ``…_per_second`` of them a second.

    A batch carries its gravest level. No line is lost here: what is beyond the byte limit was counted and
    dropped by the worker, and is said.
    """

    def __init__(self, emitter: Emitter, limits: Limits, now: Callable[[], float] = time.monotonic) -> None:
        self._emitter = emitter
        self._limits = limits
        self._now = now
        self._waiting: list[Log] = []
        self._sent: list[float] = []
        self._events = 0
        self.dropped = 0

    def write(self, log: Log) -> None:
        """Take one line; it leaves at once where the rate allows, else with the next batch."""
        self.dropped += log.dropped
        self._waiting.append(log)
        if self.due == 0:
            self.flush()

    @property
    def due(self) -> float | None:
        """Seconds until waiting lines may leave; None if there are none, or only the last event is left."""
        if not self._waiting or self._events >= self._limits.console_events - 1:
            return None
        horizon = self._now() - 1.0
        self._sent = [t for t in self._sent if t > horizon]
        if len(self._sent) < self._limits.console_events_per_second:
            return 0
        return max(0.0, self._sent[0] - horizon)

    def flush(self) -> None:
        """Send what waits as one event."""
        if not self._waiting:
            return
        lines, self._waiting = self._waiting, []
        level = max((log.level for log in lines), key=SEVERITY.index)
        text = "\n".join(log.text for log in lines)
        self._emitter.emit(ScriptLog, level=level, text=text, line=lines[0].line)
        self._sent.append(self._now())
        self._events += 1

    def close(self) -> None:
        """Send the rest, and say what was dropped."""
        self.flush()
        if self.dropped:
            text = f"{self.dropped} console lines beyond {size(self._limits.console_bytes)} were dropped"
            self._emitter.emit(ScriptLog, level="warn", text=text, source="harness")
