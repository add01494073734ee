"""Decides when a turn's time is up: its clock stands still while a person is asked."""

from __future__ import annotations

import math

import anyio

from toolscript.events import ApprovalRequested, ApprovalResolved, BaseEvent


class TimeBudget:
    """The time that one turn may take; ``seconds`` None means any. ``scope`` is cancelled when it is spent.

    Whoever enters the scope hands each event of the turn to :meth:`hear`, those of agents that it asks included.
    """

    def __init__(self, seconds: float | None) -> None:
        self._left = math.inf if seconds is None else seconds
        self._since = anyio.current_time()
        self._asking: set[str] = set()
        self.scope = anyio.CancelScope(deadline=self._since + self._left)

    def hear(self, event: BaseEvent) -> None:
        """Stop the clock with the first request for consent, and let it go on with the last decision."""
        match event:
            case ApprovalRequested():
                self._stop()
                self._asking.add(event.approval_id)
            case ApprovalResolved():
                self._asking.discard(event.approval_id)
                self._go()

    def _stop(self) -> None:
        if not self._asking:
            self._left -= anyio.current_time() - self._since
            self.scope.deadline = math.inf

    def _go(self) -> None:
        if not self._asking:
            self._since = anyio.current_time()
            self.scope.deadline = self._since + self._left
