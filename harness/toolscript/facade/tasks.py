"""Decides how spawned tasks live: beyond their script, within their turn or conversation, never beyond the host."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import anyio
from anyio.abc import TaskGroup

from toolscript.errors import Json, ToolCancelled, ToolError, ToolscriptError
from toolscript.events import Emitter, OperationStatus, TaskFinished, TaskStarted
from toolscript.facade.ending import unexpected
from toolscript.facade.pending import Outcome, error_text

if TYPE_CHECKING:
    from toolscript.facade.clock import WallClock

TaskScope = Literal["turn", "conversation"]


@dataclass(slots=True, kw_only=True, eq=False)
class Task:
    """One spawned call; ``outcome`` is set when it has ended."""

    task_id: str
    number: int
    tool: str
    scope: TaskScope
    turn_id: str | None
    clock: WallClock
    cancel: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)
    outcome: Outcome | None = None
    overdue: bool = False

    def info(self) -> dict[str, Json]:
        """Return what a script sees of the task."""
        data: dict[str, Json] = {"id": self.task_id, "tool": self.tool, "status": "running"}
        if self.outcome is not None:
            data["status"] = self.outcome.status
            data["result" if self.outcome.ok else "error"] = json.loads(self.outcome.value)
        return data


class TaskBoard:
    """The tasks of one conversation. Their processes die with the task group that the harness holds."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._tasks: dict[str, Task] = {}

    def start(self, task: Task, work: Callable[[], Awaitable[Outcome]], emitter: Emitter) -> None:
        """Run ``work`` as this task; it is cancelled at its deadline, at its scope's end, or by name."""
        self._tasks[task.task_id] = task
        emitter.emit(TaskStarted, task_id=task.task_id, operation=task.number, tool=task.tool, scope=task.scope)
        self._group.start_soon(self._run, task, work, emitter)

    def restore(self, task: Task, outcome: Outcome) -> None:
        """List a task that had ended before its run was interrupted."""
        task.outcome = outcome
        task.ended.set()
        self._tasks[task.task_id] = task

    async def _run(self, task: Task, work: Callable[[], Awaitable[Outcome]], emitter: Emitter) -> None:
        began = time.monotonic()
        try:
            with task.cancel:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._watch, task)
                    task.outcome = await work()
                    group.cancel_scope.cancel()
        except Exception as error:
            # Nothing that one task does may end the others, or the harness that holds them all.
            task.outcome = broken(task, error)
        finally:
            task.outcome = task.outcome or cancelled(task)
            task.ended.set()
            task.clock.go()
            emitter.emit(
                TaskFinished, task_id=task.task_id, operation=task.number, tool=task.tool,
                status=OperationStatus(task.outcome.status), waited_ms=task.clock.waited * 1000,
                duration_ms=(time.monotonic() - began - task.clock.waited) * 1000,
                error=None if task.outcome.ok else json.loads(task.outcome.value),
            )  # fmt: skip

    async def _watch(self, task: Task) -> None:
        """Cancel the task at its deadline, which stands still while it waits for a person."""
        while not task.clock.exceeded:
            left = task.clock.until(task.clock.limit)
            await anyio.sleep(1.0 if left is None else min(max(left, 0.001), 1.0))
        task.overdue = True
        task.cancel.cancel()

    def get(self, task_id: str) -> Task:
        """Return a task. Raises ToolError with code ``not_found``."""
        if (task := self._tasks.get(task_id)) is None:
            raise ToolError(f"there is no task {task_id!r}", tool="spawn", code="not_found")
        return task

    def find(self, task_id: str) -> Task | None:
        """Return a task, or None."""
        return self._tasks.get(task_id)

    def list(self) -> list[dict[str, Json]]:
        """Return what scripts see of every task, oldest first."""
        return [task.info() for task in self._tasks.values()]

    async def wait(self, task_id: str) -> Outcome:
        """Return how the task ended, once it has. Raises ToolError for an unknown task."""
        task = self.get(task_id)
        await task.ended.wait()
        assert task.outcome is not None
        return task.outcome

    async def cancel(self, task_id: str) -> bool:
        """Cancel a task and wait until its processes are gone; False if it had ended already."""
        task = self.get(task_id)
        if task.outcome is not None:
            return False
        task.cancel.cancel()
        await task.ended.wait()
        return True

    async def end_turn(self, turn_id: str | None) -> None:
        """Cancel what still runs for this turn, tasks of the conversation excepted."""
        await self._end(lambda t: t.scope == "turn" and t.turn_id == turn_id)

    async def end_turns(self, turn_ids: frozenset[str]) -> None:
        """Cancel all tasks of dropped turns, whatever their scope."""
        await self._end(lambda t: t.turn_id in turn_ids)

    async def close(self) -> None:
        """Cancel everything."""
        await self._end(lambda t: True)

    async def _end(self, chosen: Callable[[Task], bool]) -> None:
        ending = [t for t in self._tasks.values() if t.outcome is None and chosen(t)]
        for task in ending:
            task.cancel.cancel()
        for task in ending:
            await task.ended.wait()


def broken(task: Task, error: Exception) -> Outcome:
    """Return the outcome of a task that failed in a way that it never should."""
    inner: Exception = error
    while isinstance(inner, ExceptionGroup):
        inner = inner.exceptions[0]
    return _failure(task, unexpected(inner, task.tool), "failed")


def cancelled(task: Task) -> Outcome:
    """Return how a task that was cancelled ended."""
    why = f"its deadline of {task.clock.limit:g} s passed" if task.overdue else "it was cancelled"
    error = ToolCancelled(f"task {task.task_id} ({task.tool}): {why}", tool=task.tool)
    return _failure(task, error, "cancelled")


def _failure(task: Task, error: ToolscriptError, status: str) -> Outcome:
    return Outcome(number=task.number, ok=False, value=error_text(task.tool, error), status=status)
