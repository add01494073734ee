"""Decides what a finished run looks like to its caller: a fold over its events, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from toolscript.errors import Json
from toolscript.events import (
    ApprovalRequested,
    ApprovalResolved,
    BaseEvent,
    OperationFinished,
    OperationStarted,
    OperationStatus,
    RunStatus,
    ScriptExecution,
    ScriptExecutionOutput,
    ScriptLog,
)
from toolscript.values import quick


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One console event; ``text`` may hold several lines that came together."""

    level: str
    text: str
    line: int | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One tool call of a run, as far as it has come."""

    number: int
    tool: str
    arguments: Json
    effect: str = ""
    status: OperationStatus = OperationStatus.PENDING
    line: int | None = None
    column: int | None = None
    output: Json = None
    error: dict[str, Json] | None = None
    duration_ms: float | None = None
    """How long it ran, without ``waited_ms``, for which it waited for people."""
    waited_ms: float = 0.0
    output_bytes: int = 0
    truncated: bool = False
    handle: str | None = None
    diff: str | None = None
    task_id: str | None = None
    started: float | None = None
    approval: str = ""
    """``allow by widget``: the last decision on it, if it needed one."""
    asked_arguments: Json = None
    """What the script gave, where a person edited it; ``arguments`` are what ran."""


_Fields = dict[int, dict[str, Any]]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a script. ``status`` is None while it goes on."""

    run_id: str = ""
    status: RunStatus | None = None
    source: str = ""
    script_hash: str = ""
    result: Json = None
    result_handle: str | None = None
    """Set where the result was too large, and ``result`` only stands for it."""
    error: dict[str, Json] | None = None
    logs: tuple[LogLine, ...] = ()
    operations: tuple[Operation, ...] = ()
    warnings: tuple[str, ...] = ()
    durations: dict[str, float] = field(default_factory=dict)
    events: tuple[BaseEvent, ...] = ()

    @classmethod
    def fold(cls, events: Iterable[BaseEvent]) -> Run:
        """Return the run that these events tell of; events of nested runs must be left out."""
        kept = tuple(events)
        operations: _Fields = {}
        logs: list[LogLine] = []
        told: dict[str, Any] = {}
        for event in kept:
            if (track := _TRACKED.get(type(event))) is not None:
                track(operations, event)
            elif (tell := _TELLING.get(type(event))) is not None:
                told |= tell(event)
            elif isinstance(event, ScriptLog):
                logs.append(LogLine(level=event.level, text=event.text, line=event.line))
        done = tuple([Operation(**operations[number]) for number in sorted(operations)])
        return cls(events=kept, logs=tuple(logs), operations=done, **told)

    def to_json(self) -> dict[str, Json]:
        """Return the object that ``toolscript run --json`` prints."""
        return {
            "run_id": self.run_id,
            "status": self.status.value if self.status else None,
            "result": self.result,
            "logs": [{"level": log.level, "text": log.text} for log in self.logs],
            "operations": [operation_json(o) for o in self.operations],
            "error": self.error,
            "warnings": list(self.warnings),
            "durations": self.durations,
            "script_hash": self.script_hash,
        }


def operation_json(o: Operation) -> dict[str, Json]:
    """Return the JSON form of an operation, unset fields left out."""
    fields: dict[str, Any] = {
        "number": o.number, "tool": o.tool, "status": o.status.value, "arguments": o.arguments, "line": o.line,
        "column": o.column, "output": o.output, "error": o.error, "duration_ms": o.duration_ms, "diff": o.diff,
        "waited_ms": o.waited_ms or None,
        "handle": o.handle, "task_id": o.task_id, "approval": o.approval or None,
        "asked_arguments": o.asked_arguments,
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value is not None}


def _announced(event: ScriptExecution) -> dict[str, Any]:
    return {"run_id": event.run_id or "", "source": event.source, "script_hash": event.script_hash}


def _concluded(event: ScriptExecutionOutput) -> dict[str, Any]:
    return {
        "status": event.status, "result": event.result, "error": event.error, "warnings": event.warnings,
        "durations": event.durations, "result_handle": event.result_handle,
    }  # fmt: skip


def _started(operations: _Fields, event: OperationStarted) -> None:
    operations[event.operation] = {
        "number": event.operation, "tool": event.tool, "arguments": event.arguments, "effect": event.effect,
        "status": event.status, "line": event.line, "column": event.column, "task_id": event.task_id,
        "started": event.time,
    }  # fmt: skip


def _finished(operations: _Fields, event: OperationFinished) -> None:
    if (found := operations.get(event.operation)) is not None:
        found.update(
            status=event.status, output=event.output, error=event.error, duration_ms=event.duration_ms,
            waited_ms=event.waited_ms, output_bytes=event.output_bytes, truncated=event.truncated,
            handle=event.handle, diff=event.diff,
        )  # fmt: skip
        _edit(found, event.ran_with)


def _asked(operations: _Fields, event: ApprovalRequested) -> None:
    if (found := operations.get(event.operation)) is not None:
        found["status"] = OperationStatus.AWAITING_APPROVAL


def _decided(operations: _Fields, event: ApprovalResolved) -> None:
    if (found := operations.get(event.operation)) is not None:
        found.update(status=OperationStatus.RUNNING, approval=f"{event.decision} by {event.by}")
        _edit(found, event.arguments)


def _edit(found: dict[str, Any], edited: Json) -> None:
    """Put what ran in place of what was asked for, which stays beside it."""
    if edited is not None:
        found.setdefault("asked_arguments", found["arguments"])
        found["arguments"] = edited


_TRACKED: dict[type[BaseEvent], Callable[[_Fields, Any], None]] = {
    OperationStarted: _started, OperationFinished: _finished, ApprovalRequested: _asked, ApprovalResolved: _decided,
}  # fmt: skip
"""Who notes what of an operation; looked up, since each question whether a model is of a kind takes its time."""
_TELLING: dict[type[BaseEvent], Callable[[Any], dict[str, Any]]] = {
    ScriptExecution: _announced, ScriptExecutionOutput: _concluded,
}  # fmt: skip
"""Who says what an event tells of the run itself."""
