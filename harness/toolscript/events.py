"""Decides what can leave the harness: one immutable, typed, JSON-serialisable event after the other.

Widgets, terminal output, streams, audit lines, recordings, metrics and what goes back to a model are folds
over this sequence; no face reaches into the harness for anything else.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from toolscript.errors import Json

log = logging.getLogger(__name__)


class OperationStatus(StrEnum):
    """Where one tool call of a run stands."""

    PENDING = "pending"
    AWAITING_APPROVAL = "awaiting_approval"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"
    CANCELLED = "cancelled"
    PLANNED = "planned"


class RunStatus(StrEnum):
    """How a run ended; ``error.code`` says why it failed."""

    COMPLETED = "completed"
    FAILED = "failed"
    ABORTED = "aborted"


class BaseEvent(BaseModel):
    """What every event carries: its place in the sequence, its time and to whom it belongs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int
    time: float
    """Seconds since the epoch, UTC."""
    conversation_id: str | None = None
    turn_id: str | None = None
    step: int | None = None
    run_id: str | None = None
    parent: str | None = None
    """``run_id/operation`` of the operation under which a nested agent's events happen."""


class TurnStarted(BaseEvent):
    """A prompt was taken on."""

    type: Literal["turn_started"] = "turn_started"
    prompt: str
    agent: str
    model: str = ""


class MessageDelta(BaseEvent):
    """The model wrote on; ``channel`` tells its answer from its reasoning."""

    type: Literal["message_delta"] = "message_delta"
    text: str
    channel: Literal["text", "reasoning"] = "text"


class ScriptExecution(BaseEvent):
    """A script was found and will be run (or, with mode ``off``, only shown)."""

    type: Literal["script_execution"] = "script_execution"
    source: str
    script_hash: str
    origin: Literal["model", "cell", "file", "replay", "undo", "call"] = "model"
    mode: Literal["off", "dry-run", "on"] = "on"
    allowed_tools: tuple[str, ...] | None = None


class ScriptStarted(BaseEvent):
    """A worker has the script."""

    type: Literal["script_started"] = "script_started"
    script_hash: str


class ScriptLog(BaseEvent):
    """The script wrote to its console; lines that came too fast share one event."""

    type: Literal["script_log"] = "script_log"
    level: Literal["debug", "log", "info", "warn", "error"]
    text: str
    line: int | None = None
    source: Literal["script", "harness"] = "script"


class OperationStarted(BaseEvent):
    """A script (or a structured call) called a tool."""

    type: Literal["operation_started"] = "operation_started"
    operation: int
    tool: str
    arguments: Json
    effect: str = ""
    line: int | None = None
    column: int | None = None
    status: OperationStatus = OperationStatus.PENDING
    task_id: str | None = None


class OperationOutputDelta(BaseEvent):
    """A tool produced output while it runs; ``text`` is lossy UTF-8."""

    type: Literal["operation_output_delta"] = "operation_output_delta"
    operation: int
    stream: Literal["stdout", "stderr", "progress"] = "stdout"
    text: str


class OperationFinished(BaseEvent):
    """A tool call ended; ``output`` is what the script got, or the head of it."""

    type: Literal["operation_finished"] = "operation_finished"
    operation: int
    tool: str
    status: OperationStatus
    output: Json = None
    error: dict[str, Json] | None = None
    duration_ms: float = 0.0
    """How long it ran; ``waited_ms``, for which it waited for people, does not count."""
    waited_ms: float = 0.0
    output_bytes: int = 0
    truncated: bool = False
    handle: str | None = None
    diff: str | None = None
    ran_with: Json = None
    """The arguments with which it ran, where a person edited those that the script gave."""


class ApprovalRequested(BaseEvent):
    """A call waits for consent; ``request`` is the whole request as people see it."""

    type: Literal["approval_requested"] = "approval_requested"
    approval_id: str
    operation: int
    request: dict[str, Json]


class ApprovalResolved(BaseEvent):
    """A request was decided, expired or ended with its run."""

    type: Literal["approval_resolved"] = "approval_resolved"
    approval_id: str
    operation: int
    decision: str
    by: str
    reason: str = ""
    arguments: Json = None
    """What the call runs with instead of its own arguments, where the decision was to edit them."""


class TaskStarted(BaseEvent):
    """A script spawned a task, which may outlive it."""

    type: Literal["task_started"] = "task_started"
    task_id: str
    operation: int
    tool: str
    scope: Literal["turn", "conversation"] = "turn"


class TaskFinished(BaseEvent):
    """A task ended."""

    type: Literal["task_finished"] = "task_finished"
    task_id: str
    operation: int
    tool: str
    status: OperationStatus
    error: dict[str, Json] | None = None
    duration_ms: float = 0.0
    waited_ms: float = 0.0


class ScriptExecutionOutput(BaseEvent):
    """A run ended; this is what goes back to the model."""

    type: Literal["script_execution_output"] = "script_execution_output"
    status: RunStatus
    script_hash: str
    result: Json = None
    result_handle: str | None = None
    """Set where the result was too large: ``result`` stands for it, and ``tools.readOutput`` reads it by this."""
    error: dict[str, Json] | None = None
    warnings: tuple[str, ...] = ()
    durations: dict[str, float] = Field(default_factory=dict)
    """Milliseconds: ``total``, ``guest``, ``waiting_for_tools``, ``waiting_for_approval``."""


class FunctionCall(BaseEvent):
    """The model made a structured call instead of writing a script."""

    type: Literal["function_call"] = "function_call"
    call_id: str
    name: str
    arguments: str


class FunctionCallOutput(BaseEvent):
    """What a structured call, or a script by its synthetic call, gave back to the model."""

    type: Literal["function_call_output"] = "function_call_output"
    call_id: str
    name: str
    output: str
    is_error: bool = False


class Usage(BaseEvent):
    """Tokens of one model request, as its provider counts them."""

    type: Literal["usage"] = "usage"
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost: float | None = None
    bytes_kept_out: int = 0
    """Bytes of tool output that scripts handled without showing them to the model."""


class TurnFinished(BaseEvent):
    """A turn ended: with a final answer, aborted, failed or at a budget."""

    type: Literal["turn_finished"] = "turn_finished"
    status: Literal["completed", "failed", "aborted", "stopped"]
    text: str = ""
    reason: str = ""
    steps: int = 0


class ErrorEvent(BaseEvent):
    """Something went wrong that somebody can act on."""

    type: Literal["error"] = "error"
    error: dict[str, Json]


Event = Annotated[
    TurnStarted
    | MessageDelta
    | ScriptExecution
    | ScriptStarted
    | ScriptLog
    | OperationStarted
    | OperationOutputDelta
    | OperationFinished
    | ApprovalRequested
    | ApprovalResolved
    | TaskStarted
    | TaskFinished
    | ScriptExecutionOutput
    | FunctionCall
    | FunctionCallOutput
    | Usage
    | TurnFinished
    | ErrorEvent,
    Field(discriminator="type"),
]
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)
"""Validates any event from its JSON form."""

E = TypeVar("E", bound=BaseEvent)

Listener = Callable[[Any], None]
"""Called with each event, on the loop, in order; it must return at once."""


@dataclass(slots=True)
class _Channel:
    counter: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    listeners: list[Listener] = field(default_factory=list)
    collected: dict[str, list[list[BaseEvent]]] = field(default_factory=dict)
    """Who collects the events of a run, by its id: where many run at once, each event is looked at once."""


@dataclass(frozen=True, slots=True)
class Emitter:
    """Stamps events with their place, time and owner, and hands them to whoever listens.

    Emitters made by :meth:`scoped` share one sequence: a listener sees every event of the harness in order.
    """

    ids: dict[str, Any] = field(default_factory=dict)
    channel: _Channel = field(default_factory=_Channel)
    clock: Callable[[], float] = time.time

    STAMPS: ClassVar[frozenset[str]] = frozenset({"conversation_id", "turn_id", "step", "run_id", "parent"})

    def scoped(self, **ids: Any) -> Emitter:
        """Return an emitter on the same sequence whose events carry these ids as well."""
        if unknown := ids.keys() - self.STAMPS:
            raise TypeError(f"events carry {sorted(self.STAMPS)}, not {sorted(unknown)}")
        return Emitter(self.ids | ids, self.channel, self.clock)

    def emit(self, kind: type[E], /, **data: Any) -> E:
        """Make one event, hand it to every listener, and return it."""
        event = kind(seq=next(self.channel.counter), time=self.clock(), **self.ids, **data)
        for events in self.channel.collected.get(event.run_id or "", ()):
            events.append(event)
        for listener in tuple(self.channel.listeners):
            try:
                listener(event)
            except Exception:
                # A broken face takes neither the run nor the other faces with it.
                log.exception("a listener failed on %s", type(event).__name__)
        return event

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Call ``listener`` with each event while the block runs."""
        self.channel.listeners.append(listener)
        try:
            yield
        finally:
            self.channel.listeners.remove(listener)

    def collecting(self, run_id: str) -> AbstractContextManager[list[BaseEvent]]:
        """Give a list that grows by each event of a run while the block runs."""
        return _Collecting(self.channel.collected, run_id)


class _Collecting:
    """A block in which one list collects the events of a run; a class, since this is on the way of every script."""

    def __init__(self, collected: dict[str, list[list[BaseEvent]]], run_id: str) -> None:
        self._collected = collected
        self._run_id = run_id
        self._events: list[BaseEvent] = []

    def __enter__(self) -> list[BaseEvent]:
        self._collected.setdefault(self._run_id, []).append(self._events)
        return self._events

    def __exit__(self, *raised: object) -> None:
        others = [kept for kept in self._collected.pop(self._run_id) if kept is not self._events]
        if others:
            self._collected[self._run_id] = others
