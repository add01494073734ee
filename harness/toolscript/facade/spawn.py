"""Decides what a script can do with tasks: start them, look at them, wait for them, cancel them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import anyio

from toolscript.errors import InvalidArguments, Json, ToolscriptError
from toolscript.facade.clock import WallClock
from toolscript.facade.pending import Outcome, error_text
from toolscript.facade.tasks import Task, TaskBoard, broken, cancelled
from toolscript.texts import loads

if TYPE_CHECKING:
    from toolscript.facade.road import Road
    from toolscript.facade.scope import RunScope
    from toolscript.runtime.session import Call

CALLS = frozenset({"spawn.get", "spawn.wait", "spawn.list", "spawn.cancel"})
"""Calls that the facade answers itself, without a tool."""


class Spawner:
    """Starts the tasks of one run and answers its questions about tasks."""

    def __init__(self, board: TaskBoard, road: Road, scope: RunScope, prefix: str) -> None:
        self._board = board
        self._road = road
        self._scope = scope
        self._prefix = prefix
        self._open = 0
        self._idle: Callable[[], None] | None = None
        self._started: list[Task] = []
        road.on_stop = self._stop

    def start(self, call: Call, deliver: Callable[[Outcome], None]) -> None:
        """Start a call as a task; its outcome is delivered to the script, should that still run."""
        scope, call = _split_scope(call)
        task = Task(
            task_id=f"{self._prefix}.{call.number}", number=call.number, tool=call.tool, scope=scope,
            turn_id=self._scope.turn_id, clock=WallClock(self._scope.limits.task_seconds),
        )  # fmt: skip

        self._open += 1  # from now on, though it begins later: its script may end before

        async def work() -> Outcome:
            try:
                try:
                    outcome = await self._road.travel(call, task_id=task.task_id)
                except Exception as error:
                    outcome = broken(task, error)  # the script may wait for it
                deliver(outcome)
                return outcome
            except anyio.get_cancelled_exc_class():
                deliver(cancelled(task))  # a script that still runs may wait for it
                raise
            finally:
                self._open -= 1
                self._settle()

        self._started.append(task)
        self._road.announce(call, loads(call.arguments), task.task_id)
        self._board.start(task, work, self._scope.emitter)

    def when_idle(self, action: Callable[[], None]) -> None:
        """Do something once no task of this run is open any more: at once, if none is."""
        self._idle = action
        self._settle()

    def _stop(self, number: int) -> None:
        """End the other tasks of the run: a person denied one call and wanted no more."""
        for task in self._started:
            if task.number != number and task.outcome is None:
                task.cancel.cancel()

    def _settle(self) -> None:
        if self._idle is not None and not self._open:
            action, self._idle = self._idle, None
            action()

    def waiting(self, number: int, waits: bool) -> None:
        """Stop or go on with a task's deadline while it waits for a person."""
        task = self._board.find(f"{self._prefix}.{number}")
        if task is not None:
            (task.clock.stop if waits else task.clock.go)()

    async def answer(self, call: Call) -> Outcome:
        """Answer one of :data:`CALLS`; never raises for a wrong id."""
        try:
            value = await self._answer(call)
        except ToolscriptError as error:
            return Outcome(number=call.number, ok=False, value=error_text(call.tool, error), status="failed")
        if isinstance(value, Outcome):
            return replace(value, number=call.number)
        return Outcome(number=call.number, ok=True, value=json.dumps(value))

    async def _answer(self, call: Call) -> Json | Outcome:
        if call.tool == "spawn.list":
            return self._board.list()
        task_id = _task_id(call)
        match call.tool:
            case "spawn.get":
                return self._board.get(task_id).info()
            case "spawn.wait":
                return await self._board.wait(task_id)
            case _:
                return await self._board.cancel(task_id)


def _task_id(call: Call) -> str:
    given = loads(call.arguments)
    task_id = given.get("id") if isinstance(given, dict) else given
    if not isinstance(task_id, str):
        raise InvalidArguments(f"{call.tool} takes the id of a task, got {json.dumps(given)[:80]}", tool=call.tool)
    return task_id


def _split_scope(call: Call) -> tuple[Literal["turn", "conversation"], Call]:
    """Take ``scope`` out of a spawned call's arguments: it is the task's, not the tool's."""
    given = loads(call.arguments)
    if not isinstance(given, dict) or given.get("scope") not in ("turn", "conversation"):
        return "turn", call
    scope = given.pop("scope")
    return scope, replace(call, arguments=json.dumps(given))
