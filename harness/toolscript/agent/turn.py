"""Decides how a turn goes: request, reply, scripts and calls, outputs back, until an answer, a budget or a stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import anyio

from toolscript.agent.conversation import Conversation, PastTurn, TurnStatus
from toolscript.agent.diary import Write, unwritten
from toolscript.agent.executor import Executor
from toolscript.agent.open_turn import OpenTurn, new_turn
from toolscript.agent.requests import Requests
from toolscript.agent.running import Running
from toolscript.agent.step import SCRIPT_CALL, Step
from toolscript.agent.terms import TurnSettings
from toolscript.errors import JournalError, Json, ProviderError, ToolscriptError
from toolscript.events import (
    BaseEvent,
    Emitter,
    ErrorEvent,
    FunctionCallOutput,
    RunStatus,
    TurnFinished,
    TurnStarted,
    Usage,
)
from toolscript.models.adapter import FunctionCallOutputItem, ModelAdapter, UsageReport
from toolscript.run import Run

DENIED_AND_STOPPED = "denied_and_stopped"
"""The reason of a turn that a person ended with a call that they denied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a turn came to. ``reason`` says why it is not simply completed."""

    turn_id: str
    status: TurnStatus
    text: str = ""
    reason: str = ""
    steps: int = 0
    runs: tuple[Run, ...] = ()
    error: dict[str, Json] | None = None
    usage: UsageReport = field(default_factory=UsageReport)
    events: tuple[BaseEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class _End:
    status: TurnStatus
    reason: str = ""


class TurnLoop:
    """Turns of one conversation, one at a time."""

    def __init__(
        self,
        adapter: ModelAdapter,
        executor: Executor,
        conversation: Conversation,
        settings: TurnSettings,
        emitter: Emitter,
        *,
        write: Write = unwritten,
    ) -> None:
        self._adapter = adapter
        self._executor = executor
        self._conversation = conversation
        self._settings = settings
        self._emitter = emitter
        self._write = write
        self._requests = Requests(executor, conversation, settings)

    async def run_turn(self, prompt: str, *, images: tuple[str, ...] = ()) -> Turn:
        """Answer a prompt and return what came of it.

        Failures of provider or host make the turn ``failed``, with ``error`` set; nothing is raised for them. A
        cancelled turn is kept in the conversation as far as it came, ends its events, and passes the
        cancellation on.
        """
        past = new_turn(self._conversation, self._settings.agent, prompt, images)
        turn = OpenTurn(self._conversation, self._settings, self._emitter, past, self._write)
        return await self._whole(turn, lambda: turn.diary.began(past, self._settings, self._conversation))

    async def go_on(self, past: PastTurn, usage: Sequence[UsageReport], step: Step | None) -> Turn:
        """Go on with a turn that its host's death cut short, as :meth:`run_turn`; nothing is asked for again.

        ``past`` has what the history keeps of its whole steps, ``usage`` their tokens. ``step`` is the one that was
        under way, with the runs and replies that are known of it; what of it never began is begun now.
        """
        turn = OpenTurn(self._conversation, self._settings, self._emitter, past, self._write)
        turn.go_on(usage, step)
        return await self._whole(turn, lambda: None)

    async def _whole(self, running: OpenTurn, begin: Callable[[], None]) -> Turn:
        prompt = running.past.prompt
        with self._emitter.listening(running.hear):
            end = _End("aborted", "aborted")
            try:
                begin()
                running.emitter.emit(TurnStarted, prompt=prompt, agent=self._settings.agent, model=self._settings.model)
                end = await self._in_time(running)
            except ToolscriptError as error:
                running.error = error.to_json()
                running.emitter.emit(ErrorEvent, error=running.error)
                end = _End("failed", error.code)
            except Exception:
                end = _End("failed", "internal_error")
                raise
            finally:
                with anyio.CancelScope(shield=True):
                    await self._close(running, end)
        return _result(running, end)

    async def _in_time(self, turn: OpenTurn) -> _End:
        """Go on until the end, or until the time is up: then what runs is stopped, and kept as far as it came."""
        with turn.budget.scope:
            return await self._steps(turn)
        return _End("stopped", "max_seconds")

    async def _steps(self, turn: OpenTurn) -> _End:
        if turn.unkept:
            await self._running(turn).rest(turn.step)
            self._commit(turn)
            if (end := self._judged(turn, turn.step)) is not None:
                return end
        while (end := self._spent(turn)) is None:
            await self._step(turn)
            if (end := self._judged(turn, turn.step)) is not None:
                break
        return end

    async def _step(self, turn: OpenTurn) -> None:
        """Ask, read, run, and keep what came of it."""
        while True:
            step = turn.begin()
            request = self._requests.next(turn)
            try:
                await self._running(turn).reply(step, self._adapter.stream(request))
            except ProviderError as error:
                if step.text or not self._helped(turn, error.code):
                    raise
                turn.emitter.scoped(step=step.number).emit(ErrorEvent, error=error.to_json() | {"retry_in": 0.0})
                turn.take_back()
                continue
            self._requests.learn(request, step.usage)
            turn.hint_once()
            self._commit(turn)
            return

    def _running(self, turn: OpenTurn) -> Running:
        emitter = turn.emitter.scoped(step=turn.step.number)
        return Running(self._executor, emitter, self._settings, turn.events, turn.diary)

    def _helped(self, turn: OpenTurn, code: str) -> bool:
        """Take from the next request what the provider refuses; False where nothing of it can be left out."""
        match code:
            case "context_too_long":
                return self._requests.shrink(turn)
            case "provider_bad_request":
                return self._requests.without_images(turn)
            case _:
                return False

    def _commit(self, turn: OpenTurn) -> None:
        step = turn.step
        items = step.items(self._executor.keep, self._settings.output_bytes, turn.events)
        turn.keep(items)
        emitter = turn.emitter.scoped(step=step.number)
        for item in items:
            if isinstance(item, FunctionCallOutputItem) and step.is_script(item.call_id):
                emitter.emit(
                    FunctionCallOutput, call_id=item.call_id, name=SCRIPT_CALL, output=item.output,
                    is_error=item.is_error,
                )  # fmt: skip
        emitter.emit(
            Usage,
            input_tokens=step.usage.input_tokens, output_tokens=step.usage.output_tokens,
            cached_tokens=step.usage.cached_tokens, reasoning_tokens=step.usage.reasoning_tokens,
            bytes_kept_out=step.kept_out,
        )  # fmt: skip
        turn.diary.kept(step, items)

    def _spent(self, turn: OpenTurn) -> _End | None:
        s = self._settings
        if len(turn.done) >= s.max_steps:
            return _End("stopped", "max_steps")
        if s.max_tokens is not None and turn.usage.input_tokens + turn.usage.output_tokens >= s.max_tokens:
            return _End("stopped", "max_tokens")
        return None

    def _judged(self, turn: OpenTurn, step: Step) -> _End | None:
        """Return how the turn ends with this step, None if it goes on."""
        if any(run.status is RunStatus.ABORTED for script in step.scripts if (run := script.run)):
            return _End("aborted", "run_aborted")
        denied = any(_ends_turn(run) for script in step.scripts if (run := script.run))
        if turn.stopped or denied or any(call.reply.ends_turn for call in step.calls if call.reply):
            return _End("stopped", DENIED_AND_STOPPED)
        if self._settings.mode == "off" and not step.calls:
            return _End("completed", "scripts_are_off" if step.scripts else "")
        if turn.same_failure(step):
            return _End("stopped", "repeated_failure")
        if step.wants_more:
            return None
        match step.reason:
            case "length" | "content_filter":
                return _End("stopped", step.reason)
            case "refusal":
                return _End("completed", "refusal")
            case _:
                return _End("completed")

    async def _close(self, turn: OpenTurn, end: _End) -> None:
        if turn.unkept:
            with suppress(JournalError):
                self._commit(turn)
        self._conversation.append(replace(turn.past, items=turn.items, status=end.status))
        if turn.sent != turn.items:
            self._conversation.shorten([replace(turn.past, items=turn.sent, status=end.status)])
        try:
            await self._executor.end_turn()
            with suppress(JournalError):
                turn.diary.ended(end.status, end.reason, turn.text, turn.error)
        finally:
            turn.emitter.emit(TurnFinished, status=end.status, text=turn.text, reason=end.reason, steps=len(turn.done))


def _result(turn: OpenTurn, end: _End) -> Turn:
    return Turn(
        turn_id=turn.past.turn_id, status=end.status, text=turn.text, reason=end.reason, steps=len(turn.done),
        runs=turn.runs, error=turn.error, usage=turn.usage, events=tuple(turn.events),
    )  # fmt: skip


def _ends_turn(run: Run) -> bool:
    """Say whether a person denied a call of the run and wanted the turn to end with it."""
    return bool(((run.error or {}).get("details") or {}).get("ends_turn"))
