"""Decides what of a reply runs when: scripts one after the other while it streams, structured calls together after."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Sequence

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from toolscript.agent.diary import Diary
from toolscript.agent.executor import Executor, ToolReply
from toolscript.agent.pictures import pictured
from toolscript.agent.reading import Reading
from toolscript.agent.step import Call, Script, Step
from toolscript.agent.terms import TurnSettings
from toolscript.errors import ToolscriptError
from toolscript.events import (
    ApprovalResolved,
    BaseEvent,
    Emitter,
    FunctionCall,
    FunctionCallOutput,
    RunStatus,
    ScriptExecution,
)
from toolscript.models.adapter import ModelEvent
from toolscript.run import Run


class Running:
    """One step's reply and all that it sets off."""

    def __init__(
        self,
        executor: Executor,
        emitter: Emitter,
        settings: TurnSettings,
        events: Sequence[BaseEvent],
        diary: Diary,
    ) -> None:
        self._executor = executor
        self._emitter = emitter
        self._settings = settings
        self._events = events
        self._diary = diary
        self._error: ToolscriptError | None = None

    async def reply(self, step: Step, stream: AsyncIterator[ModelEvent]) -> None:
        """Read the reply into its step, run its scripts and serve its calls. Raises ToolscriptError."""
        send, receive = anyio.create_memory_object_stream[Script](math.inf)

        def start(script: Script) -> None:
            self._diary.script(step, script)  # what cannot be written down is not run
            send.send_nowait(script)

        reading = Reading(step, self._emitter, start, self._settings.after_script)
        async with anyio.create_task_group() as group:
            group.start_soon(self._scripts, receive)
            with send:
                await self._read(step, reading, stream)
        if self._error is not None:
            raise self._error
        await self._calls([] if self.stopped else step.calls)

    @property
    def stopped(self) -> bool:
        """Whether a person denied a call of this turn and wanted the turn to end with it."""
        turn_id = self._emitter.ids.get("turn_id")
        return any(
            isinstance(e, ApprovalResolved) and e.decision == "deny_and_stop" and e.turn_id == turn_id
            for e in self._events
        )

    async def rest(self, step: Step) -> None:
        """Run and serve what of a step was written down and never began."""
        failed = False
        for script in step.scripts:
            if script.run is None and not failed:
                await self._script(script)
            elif script.run is not None:
                script.shown = pictured(script.run.result, self._executor.kept)
            failed |= script.failed
        await self._calls([call for call in step.calls if call.reply is None])

    async def _read(self, step: Step, reading: Reading, stream: AsyncIterator[ModelEvent]) -> None:
        try:
            await reading.read(stream)
            if step.reason is not None:
                self._diary.reply(step)
        except ToolscriptError as error:
            # Raised after the scripts have ended: a task group would cancel them.
            self._error = error

    async def _scripts(self, found: MemoryObjectReceiveStream[Script]) -> None:
        failed = False
        with found:
            async for script in found:
                if self._settings.mode == "off":
                    self._show(script)
                elif not failed and not self.stopped:
                    # What follows a failed script was written believing that it would succeed.
                    await self._script(script)
                    failed = script.failed

    def _show(self, script: Script) -> None:
        script.only_shown = True
        self._emitter.emit(ScriptExecution, source=script.source, script_hash=script.script_hash, mode="off")

    async def _script(self, script: Script) -> None:
        script.first_event = len(self._events)
        try:
            script.run = await self._executor.run(script.source, emitter=self._emitter, mode=self._settings.mode)
            script.shown = pictured(script.run.result, self._executor.kept)
        except ToolscriptError as error:
            script.run = Run(status=RunStatus.FAILED, source=script.source, error=error.to_json())

    async def _calls(self, calls: list[Call]) -> None:
        for call in calls:
            asked = call.asked
            self._emitter.emit(FunctionCall, call_id=asked.call_id, name=asked.name, arguments=asked.arguments)
        async with anyio.create_task_group() as group:
            for call in calls:
                group.start_soon(self._call, call, group.cancel_scope)

    async def _call(self, call: Call, all_calls: anyio.CancelScope) -> None:
        asked = call.asked
        if not _is_object(asked.arguments):
            call.reply = ToolReply(
                text=f"{asked.name}: the arguments are not a JSON object; nothing ran", is_error=True
            )
        else:
            try:
                call.reply = await self._executor.call(
                    asked.name, asked.arguments, call_id=asked.call_id, emitter=self._emitter,
                    mode=self._settings.mode,
                )  # fmt: skip
            except ToolscriptError as error:
                call.reply = ToolReply(text=f"{error.code}: {error.message}", is_error=True)
        self._emitter.emit(
            FunctionCallOutput, call_id=asked.call_id, name=asked.name, output=call.reply.text,
            is_error=call.reply.is_error,
        )  # fmt: skip
        if self.stopped:
            all_calls.cancel()


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return False
