"""Decides how a turn goes: request, reply, scripts and calls, outputs back, until an answer, a budget or a stop."""

from __future__ import annotations

import math
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import anyio

from toolscript.agent.conversation import Conversation, PastTurn, TurnStatus
from toolscript.agent.executor import Executor, Mode
from toolscript.agent.output import DEFAULT_BUDGET
from toolscript.agent.prompt import AfterScript, instructions, original_prompt
from toolscript.agent.running import Running
from toolscript.agent.step import SCRIPT_CALL, Step
from toolscript.errors import Json, ToolscriptError
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
from toolscript.models.adapter import FunctionCallOutputItem, Item, ModelAdapter, ModelRequest, UsageReport
from toolscript.run import Run

SAME_FAILURES = 3
"""How often the same script or call may fail in one turn, or replies in a row hold no sound script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """How an agent's turns go; budgets are for one turn, None means none.

    ``after_script``: with ``continue`` (the default) the reply is read to its end although what follows a script
    was written without its output. That keeps the token counts, the reasoning that the API wants back and
    further scripts of the reply; ``stop`` closes the connection at the first closing tag and saves the words.
    """

    agent: str = "agent"
    model: str = ""
    instructions: str = ""
    mode: Mode = "on"
    after_script: AfterScript = "continue"
    structured: bool = True
    max_steps: int = 24
    max_tokens: int | None = None
    max_seconds: float | None = None
    max_output_tokens: int | None = None
    output_bytes: int = DEFAULT_BUDGET
    provider: dict[str, Json] = field(default_factory=dict)
    """Settings that go into the request as they are."""


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._adapter = adapter
        self._executor = executor
        self._conversation = conversation
        self._settings = settings
        self._emitter = emitter
        self._clock = clock

    async def run_turn(self, prompt: str, *, images: tuple[str, ...] = ()) -> Turn:
        """Answer a prompt and return what came of it.

        Failures of provider or host make the turn ``failed``, with ``error`` set; nothing is raised for them. A
        cancelled turn is kept in the conversation as far as it came, ends its events, and passes the
        cancellation on.
        """
        running = _OpenTurn(self._conversation, self._settings, self._emitter, prompt, images)
        with self._emitter.listening(running.hear):
            end = _End("aborted", "aborted")
            try:
                running.emitter.emit(TurnStarted, prompt=prompt, agent=self._settings.agent, model=self._settings.model)
                end = await self._steps(running)
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
        return running.result(end)

    async def _steps(self, turn: _OpenTurn) -> _End:
        started = self._clock()
        while True:
            if (end := self._spent(turn, started)) is not None:
                return end
            left = None if self._settings.max_seconds is None else self._deadline(turn, started) - self._clock()
            step = turn.begin()
            running = Running(self._executor, turn.emitter.scoped(step=step.number), self._settings, turn.events)
            in_time = await running.reply(step, self._adapter.stream(self._request(turn)), left)
            self._commit(turn)
            if not in_time:
                return _End("stopped", "max_seconds")
            if (end := self._judged(turn, step)) is not None:
                return end

    def _request(self, turn: _OpenTurn) -> ModelRequest:
        s = self._settings
        declarations = self._executor.declarations() if s.mode != "off" else ""
        return ModelRequest(
            model=s.model,
            instructions=instructions(
                declarations=declarations, agent=s.instructions, mode=s.mode, after_script=s.after_script,
                structured=s.structured,
            ),
            original_prompt=original_prompt(turn.past.prompt),
            history=turn.history(),
            tools=self._executor.function_tools() if s.structured else (),
            max_output_tokens=s.max_output_tokens,
            settings=s.provider,
            prompt=turn.past.prompt,
            step=turn.step.number,
        )  # fmt: skip

    def _commit(self, turn: _OpenTurn) -> None:
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

    def _spent(self, turn: _OpenTurn, started: float) -> _End | None:
        s = self._settings
        if len(turn.done) >= s.max_steps:
            return _End("stopped", "max_steps")
        if s.max_tokens is not None and turn.usage.input_tokens + turn.usage.output_tokens >= s.max_tokens:
            return _End("stopped", "max_tokens")
        if s.max_seconds is not None and self._clock() >= self._deadline(turn, started):
            return _End("stopped", "max_seconds")
        return None

    def _deadline(self, turn: _OpenTurn, started: float) -> float:
        """Return when the turn's time is up; waiting for a person's consent does not count."""
        waited = sum(run.durations.get("waiting_for_approval", 0.0) for run in turn.runs) / 1000
        return started + (self._settings.max_seconds or math.inf) + waited

    def _judged(self, turn: _OpenTurn, step: Step) -> _End | None:
        """Return how the turn ends with this step, None if it goes on."""
        if any(run.status is RunStatus.ABORTED for script in step.scripts if (run := script.run)):
            return _End("aborted", "run_aborted")
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

    async def _close(self, turn: _OpenTurn, end: _End) -> None:
        if turn.unkept:
            self._commit(turn)
        self._conversation.append(replace(turn.past, items=turn.items, status=end.status))
        try:
            await self._executor.end_turn()
        finally:
            turn.emitter.emit(TurnFinished, status=end.status, text=turn.text, reason=end.reason, steps=len(turn.done))


class _OpenTurn:
    """A turn while it goes on."""

    def __init__(
        self,
        conversation: Conversation,
        settings: TurnSettings,
        emitter: Emitter,
        prompt: str,
        images: tuple[str, ...],
    ) -> None:
        turn_id = f"turn-{uuid.uuid4().hex[:12]}"
        self._earlier = conversation.history()
        self.past = PastTurn(
            turn_id=turn_id, prompt=prompt, agent=settings.agent, images=images, notes=conversation.take_notes()
        )
        self.emitter = emitter.scoped(conversation_id=conversation.conversation_id, turn_id=turn_id)
        self.items: tuple[Item, ...] = ()
        self.done: list[Step] = []
        self.unkept = False
        self.error: dict[str, Json] | None = None
        self.events: list[BaseEvent] = []
        self._runs_heard: set[str] = set()
        self._failures: Counter[str] = Counter()

    @property
    def step(self) -> Step:
        """The step that goes on, or the last one."""
        return self.done[-1]

    def begin(self) -> Step:
        """Begin the next step."""
        self.done.append(Step(self.past.turn_id, len(self.done) + 1))
        self.unkept = True
        return self.step

    def keep(self, items: tuple[Item, ...]) -> None:
        """Fold the step into the history."""
        self.items = (*self.items, *items)
        self.unkept = False

    def hear(self, event: BaseEvent) -> None:
        """Keep the events of this turn, and of agents that work for one of its runs."""
        ours = event.turn_id == self.past.turn_id
        if ours or (event.parent or "").partition("/")[0] in self._runs_heard:
            self.events.append(event)
            if event.run_id is not None:
                self._runs_heard.add(event.run_id)

    def history(self) -> tuple[Item, ...]:
        """Return what goes below the original prompt.

        The prompt is said again at its own place when something stands before it, or comes with it.
        """
        said_above = not self._earlier and not self.past.images and not self.past.notes
        return (*self._earlier, *(() if said_above else (self.past.opening(),)), *self.items)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have ended."""
        return tuple(script.run for step in self.done for script in step.scripts if script.run is not None)

    @property
    def text(self) -> str:
        """The answer so far: what the model wrote last."""
        return next((step.answer for step in reversed(self.done) if step.answer), "")

    @property
    def usage(self) -> UsageReport:
        """Tokens of all steps so far."""
        used = [step.usage for step in self.done]
        return UsageReport(
            input_tokens=sum(u.input_tokens for u in used),
            output_tokens=sum(u.output_tokens for u in used),
            cached_tokens=sum(u.cached_tokens for u in used),
            reasoning_tokens=sum(u.reasoning_tokens for u in used),
        )

    def same_failure(self, step: Step) -> bool:
        """Count the failures of a step; True once the same one has come too often."""
        failed = [script.script_hash for script in step.scripts if script.failed]
        failed += [f"{c.asked.name} {c.asked.arguments}" for c in step.calls if c.reply and c.reply.is_error]
        if step.problems and not step.scripts and not step.calls:
            failed.append("format")
        else:
            del self._failures["format"]
        self._failures.update(failed)
        return any(self._failures[key] >= SAME_FAILURES for key in failed)

    def result(self, end: _End) -> Turn:
        """Return the turn as a value."""
        return Turn(
            turn_id=self.past.turn_id, status=end.status, text=self.text, reason=end.reason, steps=len(self.done),
            runs=self.runs, error=self.error, usage=self.usage, events=tuple(self.events),
        )  # fmt: skip
