"""Decides how often a view is refreshed: at once for what is new, at most twenty times a second for what grows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol

from toolscript.events import (
    ApprovalRequested,
    ApprovalResolved,
    BaseEvent,
    OperationFinished,
    OperationStarted,
    ScriptExecution,
    ScriptExecutionOutput,
    TaskFinished,
    TaskStarted,
    TurnFinished,
    TurnStarted,
)
from toolscript_kernel.record import Folder, Transcript
from toolscript_kernel.view.plain import worth_a_record

REFRESH_SECONDS = 0.05
"""The shortest time between two refreshes: 20 a second."""
SHARE = 0.2
"""At most this share of the loop's time goes into refreshing, however long one refresh takes."""

_PROMPT = (ApprovalRequested, OperationStarted, ScriptExecutionOutput, TurnFinished)
_LATE = (ApprovalRequested, ApprovalResolved, OperationStarted, OperationFinished)
"""What of a task is shown, beside its end, when the cell that began it has ended."""


class View(Protocol):
    """One way to show a cell."""

    def event(self, event: BaseEvent) -> None:
        """Take one event as it happens; must return at once."""
        ...

    def refresh(self, transcript: Transcript) -> float:
        """Show the state so far; returns how many seconds it wants to be left alone now."""
        ...

    def finish(self, transcript: Transcript) -> None:
        """Show the last state, and leave what is to be saved."""
        ...


class Mine:
    """Tells the events of one cell from those of others: of tasks that go on from earlier cells, and of other faces."""

    def __init__(self) -> None:
        self._turn: str | None = None
        self._runs: set[str] = set()

    def takes(self, event: BaseEvent) -> bool:
        """Say whether the event belongs to the first turn or script that was heard of, or to an agent under it."""
        mine = self._belongs(event)
        if mine and event.run_id is not None:
            self._runs.add(event.run_id)
        return mine

    def owns(self, run_id: str) -> bool:
        """Say whether a run is the cell's own, or an agent's under it."""
        return run_id in self._runs

    def _belongs(self, event: BaseEvent) -> bool:
        if event.parent is not None:
            return event.parent.partition("/")[0] in self._runs
        if self._turn is not None:
            return event.turn_id == self._turn
        if self._runs:
            return event.run_id in self._runs
        self._turn = event.turn_id if isinstance(event, TurnStarted) else None
        return isinstance(event, TurnStarted | ScriptExecution)


class Watch:
    """Listens to the events of one cell, folds them and keeps one view up to date.

    ``keep`` adds to what happened, when it has ended, what a later replay needs.
    """

    def __init__(
        self, view: View, *, interval: float = REFRESH_SECONDS, keep: Callable[[Transcript], Transcript] | None = None
    ) -> None:
        self.view = view
        self._keep = keep
        self._folder = Folder()
        self._mine = Mine()
        self._loop = asyncio.get_running_loop()
        self._interval = interval
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        self._tasks: set[str] = set()
        self._adopted: list[Watch] = []
        self._later: ExitStack | None = None

    def __call__(self, event: BaseEvent) -> None:
        """Take one event; called by the harness on the loop."""
        mine = self._mine.takes(event)
        self._note_task(event, mine)
        if self._ended:
            self._after(event, mine)
        if self._ended or not mine:
            return
        self._folder.add(event)
        self.view.event(event)
        if self._timer is None:
            wait = 0.0 if isinstance(event, _PROMPT) else self._interval
            self._timer = self._loop.call_later(max(wait, self._next - time.monotonic()), self._refresh)

    def transcript(self) -> Transcript:
        """Return what happened so far."""
        return self._folder.transcript()

    def finish(self) -> Transcript:
        """Stop refreshing, show the end, and return all that happened."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        return self._show_end()

    def owns(self, run_id: str) -> bool:
        """Say whether a run belongs to the cell, or to one whose tasks it adopted."""
        return self._mine.owns(run_id) or any(other.owns(run_id) for other in self._adopted)

    def adopt(self, others: Iterable[Watch]) -> None:
        """Take on the tasks of cells whose place is gone: what they ask is asked here."""
        for other in others:
            self._adopted.append(other)
            self._tasks |= other._tasks

    def follow(self, *contexts: AbstractContextManager[Any]) -> None:
        """Stay in these contexts, and show the end anew each time a task ends, until the last one has."""
        if self._tasks:
            self._later = ExitStack()
            for context in contexts:
                self._later.enter_context(context)

    def _show_end(self) -> Transcript:
        transcript = self._kept()
        self.view.finish(transcript)
        return transcript

    def _kept(self) -> Transcript:
        transcript = self._folder.transcript()
        if self._keep is not None and worth_a_record(transcript):
            transcript = self._keep(transcript)
        return transcript

    def _note_task(self, event: BaseEvent, mine: bool) -> None:
        if isinstance(event, TaskStarted) and mine:
            self._tasks.add(event.task_id)
        elif isinstance(event, TaskFinished):
            self._tasks.discard(event.task_id)

    def _after(self, event: BaseEvent, mine: bool) -> None:
        """Take what a task does after the cell's end; nothing else of the cell can happen any more."""
        if self._later is None:
            return
        if mine:
            self._folder.add(event)
            if isinstance(event, TaskFinished) and event.parent is None:
                self._show_end()
            elif isinstance(event, _LATE):
                self.view.refresh(self._kept())
        if not self._tasks:
            later, self._later = self._later, None
            later.close()

    def _refresh(self) -> None:
        self._timer = None
        begun = time.monotonic()
        rest = self.view.refresh(self._folder.transcript())
        spent = time.monotonic() - begun
        self._next = begun + max(self._interval, spent / SHARE, rest)
