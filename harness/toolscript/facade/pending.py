"""Decides what a waiting script waits for, and in which order outcomes reach it: the tape."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toolscript.errors import Json, ToolscriptError, WallTimeExceeded
from toolscript.journal.records import EndRecord, Journal
from toolscript.runtime.session import Settlement
from toolscript.texts import dumps
from toolscript.values import quick

if TYPE_CHECKING:
    from toolscript.facade.clock import WallClock


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one call or timer ended; ``value`` is JSON text, ``text`` what a structured call gives a model.

    ``output`` is a structured call's output as data.
    """

    number: int
    ok: bool
    value: str
    status: str = "succeeded"
    changes: tuple[dict[str, Json], ...] = ()
    text: str = ""
    output: Json = None


def error_text(tool: str, error: ToolscriptError) -> str:
    """Return how a script is told of a call's error, as JSON text."""
    return dumps({"tool": tool, "details": {}} | error.to_json())


class Pending:
    """The open calls and timers of one run, and the inbox of their outcomes.

    An outcome's ``end`` record is written in the moment in which it takes its place on the tape, so the order
    of records is the order of settlements.
    """

    def __init__(self, clock: WallClock, journal: Journal, now: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._journal = journal
        self._now = now
        self._calls: set[int] = set()
        self._asking: set[int] = set()
        self._held: set[int] = set()
        self._timers: list[tuple[float, int]] = []
        self._inbox: list[Settlement] = []
        self._wake: asyncio.Future[bool] | None = None
        self._last_ms = 0
        self._closed = False
        self._left: set[int] = set()
        """The calls that were open when the script ended: its tasks go on."""
        self.lost = False
        """Whether the worker is gone: nothing can be settled any more."""

    def begin(self, number: int) -> None:
        """A call is under way."""
        self._calls.add(number)

    def asking(self, number: int, waits: bool) -> None:
        """A call began or ceased to wait for a person."""
        (self._asking.add if waits else self._asking.discard)(number)
        self._stir()

    def lose(self) -> None:
        """The worker died while its script waited."""
        self.lost = True
        self._stir()

    def hold(self, number: int) -> None:
        """A call of a dry run stays pending for good: nobody knows what it would answer."""
        self._held.add(number)
        self._stir()

    @property
    def only_held(self) -> bool:
        """Whether nothing is left but calls that stay pending for good."""
        return bool(self._held) and self._calls <= self._held and not (self._timers or self._inbox)

    def set_timer(self, number: int, delay_ms: float) -> float:
        """Set a timer; returns the seconds since the epoch at which it is due if the clock never stops."""
        delay = max(0.0, delay_ms) / 1000
        heapq.heappush(self._timers, (self.clock.elapsed + delay, number))
        return self._now() + delay

    def resume_timer(self, number: int, due: float) -> None:
        """Set a timer that an interrupted run had set: for the time left until ``due``, seconds since the epoch."""
        heapq.heappush(self._timers, (self.clock.elapsed + max(0.0, due - self._now()), number))

    def resume_tape(self, time_ms: int) -> None:
        """Go on with a tape whose last settlement has this time."""
        self._last_ms = max(self._last_ms, time_ms)

    def clear_timer(self, number: int) -> None:
        """Forget a timer."""
        self._timers = [t for t in self._timers if t[1] != number]
        heapq.heapify(self._timers)

    def deliver(self, outcome: Outcome) -> None:
        """Put an outcome on the tape; outcomes of calls that are no longer open are dropped.

        What a task did after its script had ended is written down all the same: an undo and an audit need it.
        """
        if outcome.number not in self._calls:
            if self._closed and (outcome.changes or outcome.number in self._left):
                self._left.discard(outcome.number)
                self._journal.write(replace(self._record(outcome), late=True))
            return
        self._calls.discard(outcome.number)
        self._asking.discard(outcome.number)
        self._settle(outcome)

    def close(self) -> None:
        """The script has ended: nothing takes a place on its tape any more."""
        self._closed = True
        self._left, self._calls = self._calls, set()
        self._asking.clear()
        self._timers.clear()

    @property
    def idle(self) -> bool:
        """Whether nothing is open and nothing waits to be settled: the script can never go on."""
        return not (self._calls or self._timers or self._inbox)

    @property
    def open_calls(self) -> frozenset[int]:
        """The calls without an outcome."""
        return frozenset(self._calls)

    def ready(self) -> list[Settlement]:
        """Return what can be settled at once."""
        ready, self._inbox = self._inbox, []
        return ready

    def due(self) -> list[Settlement]:
        """Return what can be settled at once, timers included: what was answered must not keep them from their turn.

        Raises WallTimeExceeded when the run's wall time is used up.
        """
        self._keep_time()
        self._check_time()
        self._fire()
        return self.ready()

    async def next(self, wake_after: float | None = None) -> list[Settlement]:
        """Return the next settlements; an empty list after ``wake_after`` seconds without one.

        Raises WallTimeExceeded when the run's wall time is used up.
        """
        if self._inbox:
            return self.due()
        while not (self._inbox or self.only_held or self.lost):
            self._keep_time()
            self._check_time()
            if self._fire():
                break
            pause, last = self._pause(wake_after)
            if not await self._stirred(pause) and last:
                break
        return self.ready()

    async def _stirred(self, seconds: float | None) -> bool:
        """Wait until something happens; False if nothing did for so long."""
        loop = asyncio.get_running_loop()
        self._wake = wake = loop.create_future()
        alarm = None if seconds is None else loop.call_later(seconds, _wake_up, wake, False)
        try:
            stirred: bool = await wake
            return stirred
        finally:
            self._wake = None
            if alarm is not None:
                alarm.cancel()

    def _check_time(self) -> None:
        if self.clock.exceeded:
            raise WallTimeExceeded(self.clock.limit, round(self.clock.elapsed, 3))

    def _keep_time(self) -> None:
        if self._calls and self._calls <= self._asking:
            self.clock.stop()
        else:
            self.clock.go()

    def _pause(self, wake_after: float | None) -> tuple[float | None, bool]:
        """Return how long to sleep at most, and whether it is the caller's bound that ends it."""
        bounds = [self.clock.until(self.clock.limit)]
        if self._timers:
            bounds.append(self.clock.until(self._timers[0][0]))
        nearest = min((b for b in bounds if b is not None), default=None)
        if wake_after is not None and (nearest is None or wake_after < nearest):
            return wake_after, True
        return nearest, False

    def _fire(self) -> bool:
        fired = False
        while self._timers and not self.clock.stopped and self._timers[0][0] <= self.clock.elapsed:
            _, number = heapq.heappop(self._timers)
            self._settle(Outcome(number=number, ok=True, value="null"))
            fired = True
        return fired

    def _settle(self, outcome: Outcome) -> None:
        self._journal.write(self._record(outcome))
        self._inbox.append(Settlement(number=outcome.number, ok=outcome.ok, value=outcome.value, time_ms=self._last_ms))
        self._stir()

    def _record(self, outcome: Outcome) -> EndRecord:
        # The guest's clock never runs backwards, whatever the host's does.
        self._last_ms = max(self._last_ms, int(self._now() * 1000))
        return EndRecord(
            number=outcome.number, ok=outcome.ok, value=outcome.value, time_ms=self._last_ms,
            status=outcome.status, changes=outcome.changes,
        )  # fmt: skip

    def _stir(self) -> None:
        if self._wake is not None:
            _wake_up(self._wake, True)


def _wake_up(wake: asyncio.Future[bool], stirred: bool) -> None:
    if not wake.done():
        wake.set_result(stirred)
