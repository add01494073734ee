"""Decides which failures exist, who must act on each, and the stable code that every face shows.

The tree, split by who must act::

    ToolscriptError
    ├── ScriptError               the author of the script (a model or a person) mends it
    │   ├── ScriptFormatError     the reply holds no script that can be run as it stands
    │   ├── ScriptSyntaxError     not TypeScript
    │   ├── UnsupportedTypeScript valid TypeScript that cannot be erased to JavaScript
    │   ├── ScriptThrew           an exception that the script did not catch
    │   ├── DeadlockError         nothing pending, and the script cannot go on
    │   └── ResultNotJson         a result that JSON cannot carry
    ├── LimitExceeded             the author uses less, or the owner allows more (one class a limit)
    ├── ToolError                 a tool says no; the script may handle it
    │   ├── UnknownTool, InvalidArguments, ToolNotAllowed, OutputTooLarge
    │   ├── McpToolError, OutcomeUnknown, ToolCancelled
    │   └── ApprovalError         a person or a policy says no
    │       ├── ApprovalDenied, ApprovalExpired, ApprovalUnavailable
    ├── DecisionError             an answer to a request for consent that cannot count
    │   └── AlreadyDecided, UnknownApproval, OwnerGone
    ├── RunAborted                somebody stopped the run
    ├── HostError                 ours to mend: WorkerCrashed, PoolBusy, ProtocolFault, JournalError
    ├── JournalDamaged            a journal that cannot be believed; whoever keeps it must look
    ├── ProviderError             the model's provider, or the way to it
    └── ConfigError               whoever wrote the configuration
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

Json = Any
"""A JSON value; the one place where ``Any`` is meant."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the user's own source; lines and columns count from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


def _rebuild(cls: type[ToolscriptError], state: dict[str, Any]) -> ToolscriptError:
    error = cls.__new__(cls)
    Exception.__init__(error, state["message"])
    error.__dict__.update(state)
    return error


class ToolscriptError(Exception):
    """Anything that goes wrong in a way that somebody can act on."""

    code: ClassVar[str] = "toolscript_error"

    def __init__(
        self, message: str, *, position: Position | None = None, details: dict[str, Json] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.details: dict[str, Json] = details or {}

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process lines, and subclasses take facts, not texts: rebuild from state.
        return _rebuild, (type(self), dict(self.__dict__))

    def at(self, position: Position | None) -> Self:
        """Return this error, placed in the user's source if it had no place yet."""
        if self.position is None:
            self.position = position
        return self

    def to_json(self) -> dict[str, Json]:
        """Return what faces, journals and scripts see: name, code, message, place and details."""
        data: dict[str, Json] = {"name": type(self).__name__, "code": self.code, "message": self.message}
        if self.position is not None:
            data |= {"line": self.position.line, "column": self.position.column}
        if self.details:
            data["details"] = self.details
        return data


class ScriptError(ToolscriptError):
    """The script is at fault; its author can mend it."""

    code = "script_error"


class ScriptFormatError(ScriptError):
    """The text holds no script in an accepted form; ``reason`` says which rule it missed."""

    code = "script_format"

    def __init__(self, reason: str, message: str, *, position: Position | None = None) -> None:
        super().__init__(message, position=position, details={"reason": reason})
        self.reason = reason


class ScriptSyntaxError(ScriptError):
    """The source is not TypeScript."""

    code = "syntax_error"


class UnsupportedTypeScript(ScriptError):
    """The source uses TypeScript that cannot be erased; ``alternative`` names what to write instead."""

    code = "unsupported_typescript"

    def __init__(self, construct: str, alternative: str, position: Position) -> None:
        super().__init__(
            f"{construct} cannot be erased from TypeScript ({position}); {alternative}",
            position=position,
            details={"construct": construct, "alternative": alternative},
        )


class ScriptThrew(ScriptError):
    """The script ended with an exception that it did not catch."""

    code = "script_threw"

    def __init__(
        self,
        name: str,
        message: str,
        *,
        stack: str = "",
        position: Position | None = None,
        cause: dict[str, Json] | None = None,
    ) -> None:
        details: dict[str, Json] = {"name": name, "stack": stack}
        if cause:
            details["cause"] = cause
        super().__init__(f"{name}: {message}" if message else name, position=position, details=details)
        self.name = name
        self.stack = stack
        self.cause = cause


class DeadlockError(ScriptError):
    """The script waits for something that nothing can ever settle."""

    code = "deadlock"

    def __init__(self, position: Position | None = None) -> None:
        super().__init__(
            "the script can never go on: it waits, and no call, task or timer is pending", position=position
        )


class ResultNotJson(ScriptError):
    """The script returned what JSON cannot carry."""

    code = "result_not_json"


class LimitExceeded(ToolscriptError):
    """A run used more of something than it was given."""

    code = "limit_exceeded"
    what: ClassVar[str] = "limit"
    unit: ClassVar[str] = ""

    def __init__(
        self, allowed: float, used: float | None = None, *, position: Position | None = None, note: str = ""
    ) -> None:
        spent = f" (used {used:g}{self.unit})" if used is not None else ""
        super().__init__(
            f"{self.what} limit of {allowed:g}{self.unit} reached{spent}{f'; {note}' if note else ''}",
            position=position,
            details={"limit": self.what, "allowed": allowed, "used": used},
        )
        self.allowed = allowed
        self.used = used


class SourceTooLarge(LimitExceeded):
    """The source has more bytes than allowed."""

    code, what, unit = "source_limit", "source size", " bytes"


class GuestTimeExceeded(LimitExceeded):
    """The script computed for longer than allowed; waiting does not count."""

    code, what, unit = "guest_time_limit", "guest time", " s"


class WallTimeExceeded(LimitExceeded):
    """The run lasted longer than allowed; waiting for a person does not count."""

    code, what, unit = "wall_time_limit", "wall time", " s"


class HeapExceeded(LimitExceeded):
    """The engine's heap is full."""

    code, what, unit = "heap_limit", "heap", " bytes"


class StackExceeded(LimitExceeded):
    """The script recursed too deeply."""

    code, what, unit = "stack_limit", "stack", " bytes"


class CallsExceeded(LimitExceeded):
    """The script made more tool calls than allowed."""

    code, what, unit = "call_limit", "tool calls", ""


class TimersExceeded(LimitExceeded):
    """The script set more timers than allowed."""

    code, what, unit = "timer_limit", "timers", ""


class ArgumentsTooLarge(LimitExceeded):
    """The arguments of one call have more bytes than allowed."""

    code, what, unit = "argument_limit", "arguments", " bytes"


class ResultTooLarge(LimitExceeded):
    """The result of the script has more bytes than allowed."""

    code, what, unit = "result_limit", "result", " bytes"


class StoreTooLarge(LimitExceeded):
    """The conversation's store would hold more bytes than allowed."""

    code, what, unit = "store_limit", "store", " bytes"


class DenialsExceeded(LimitExceeded):
    """The script kept asking for what was denied."""

    code, what, unit = "denial_limit", "denied requests", ""


class ToolError(ToolscriptError):
    """A tool says no; ``details`` holds what it learnt on the way (exit code, output)."""

    code = "tool_error"

    def __init__(
        self,
        message: str,
        *,
        tool: str = "",
        code: str | None = None,
        position: Position | None = None,
        details: dict[str, Json] | None = None,
    ) -> None:
        super().__init__(message, position=position, details=details)
        self.tool = tool
        if code is not None:
            # Tools name their own situations (`not_found`, `outside_workspace`) without a class each.
            self.__dict__["code"] = code

    def to_json(self) -> dict[str, Json]:
        """Return what the script's ``catch`` sees, the tool's name included."""
        return super().to_json() | {"tool": self.tool}


class UnknownTool(ToolError):
    """No such tool is on the facade; near names are in ``details.near``."""

    code = "unknown_tool"

    def __init__(self, tool: str, near: list[str] | None = None) -> None:
        hint = f"; did you mean {', '.join(near)}?" if near else "; tools.search(query) finds tools"
        super().__init__(f"there is no tool {tool!r}{hint}", tool=tool, details={"near": near or []})


class ToolNotAllowed(ToolError):
    """The tool exists, but this run may not use it."""

    code = "tool_not_allowed"


class InvalidArguments(ToolError):
    """The arguments do not fit the tool's schema; ``details.errors`` names each argument."""

    code = "invalid_arguments"


class OutputTooLarge(ToolError):
    """The output has more bytes than one result may carry; offset and limit read it in parts."""

    code = "output_too_large"


class McpToolError(ToolError):
    """An MCP server answered with ``isError``; its content is in ``details.content``."""

    code = "mcp_tool_error"


class OutcomeUnknown(ToolError):
    """The host died during the call; whether it took effect cannot be known."""

    code = "outcome_unknown"


class ToolCancelled(ToolError):
    """The call was cancelled before it ended."""

    code = "cancelled"


class ApprovalError(ToolError):
    """The call did not get the consent that it needs."""

    code = "approval_error"


class ApprovalDenied(ApprovalError):
    """A person or a rule said no; ``details.reason`` says why."""

    code = "approval_denied"


class ApprovalExpired(ApprovalError):
    """Nobody decided in time."""

    code = "approval_expired"


class ApprovalUnavailable(ApprovalError):
    """The call needs consent and nobody can be asked; the message says how to allow it."""

    code = "approval_unavailable"


class DecisionError(ToolscriptError):
    """The answer to a request for consent cannot count; nothing was changed by it."""

    code = "decision_error"


class AlreadyDecided(DecisionError):
    """Somebody else decided first; ``details`` holds ``by`` and ``decision``."""

    code = "already_decided"

    def __init__(self, approval_id: str, decision: str, by: str) -> None:
        super().__init__(
            f"approval {approval_id} was already decided: {decision} by {by}",
            details={"approval_id": approval_id, "decision": decision, "by": by},
        )
        self.decision = decision
        self.by = by


class UnknownApproval(DecisionError):
    """No such request waits here: it is from another run, or its run has ended."""

    code = "unknown_approval"

    def __init__(self, approval_id: str) -> None:
        super().__init__(
            f"no request {approval_id!r} waits for a decision here; it may belong to a run that has ended",
            details={"approval_id": approval_id},
        )


class OwnerGone(DecisionError):
    """The process that ran the script is gone; ``details.resume`` is the command that goes on with it."""

    code = "owner_gone"

    def __init__(self, owner: str, resume: str) -> None:
        super().__init__(
            f"the process that owns these approvals ({owner}) is gone; go on with: {resume}",
            details={"owner": owner, "resume": resume},
        )


class RunAborted(ToolscriptError):
    """Somebody stopped the run; what had happened until then is kept."""

    code = "aborted"


class HostError(ToolscriptError):
    """The harness itself is at fault or overloaded; the next run works."""

    code = "host_error"


class WorkerCrashed(HostError):
    """The worker process ended without an answer."""

    code = "worker_crashed"


class PoolBusy(HostError):
    """All workers are busy and the queue is full."""

    code = "pool_busy"


class ProtocolFault(HostError):
    """A worker or peer sent a frame that breaks the protocol; it is not trusted any further."""

    code = "protocol_fault"


class JournalError(HostError):
    """The journal cannot be written (any more): disk full, not ours, or another process writes it."""

    code = "journal_error"


class JournalDamaged(ToolscriptError):
    """The journal is not what was written: ``details`` holds ``path``, ``line`` and ``reason``."""

    code = "journal_damaged"

    def __init__(self, path: str, line: int, reason: str) -> None:
        super().__init__(
            f"{path}:{line}: the journal is damaged: {reason}",
            details={"path": path, "line": line, "reason": reason},
        )
        self.reason = reason


class ProviderError(ToolscriptError):
    """The model's provider, or the way to it, failed; its own ``code`` says how (``provider_auth`` …)."""

    code = "provider_error"

    def __init__(self, message: str, *, code: str | None = None, details: dict[str, Json] | None = None) -> None:
        super().__init__(message, details=details)
        if code is not None:
            # As with tools: situations differ by code; nobody needs to catch them by class.
            self.__dict__["code"] = code


class ConfigError(ToolscriptError):
    """The configuration cannot be used; the message names file and line where there is one."""

    code = "config_error"


def revive(data: dict[str, Json]) -> ToolscriptError:
    """Return an error of the class that wrote :meth:`ToolscriptError.to_json`, or a ToolError with its code."""
    kind = _classes().get(str(data.get("name")), ToolError)
    place = Position(data["line"], data.get("column") or 1) if isinstance(data.get("line"), int) else None
    state: dict[str, Json] = {
        "message": str(data.get("message", "")), "position": place, "details": dict(data.get("details") or {}),
    }  # fmt: skip
    if issubclass(kind, ToolError):
        state |= {"tool": str(data.get("tool", "")), "code": str(data.get("code", kind.code))}
    return _rebuild(kind, state)


def _classes() -> dict[str, type[ToolscriptError]]:
    found: dict[str, type[ToolscriptError]] = {}
    waiting: list[type[ToolscriptError]] = [ToolscriptError]
    while waiting:
        kind = waiting.pop()
        found[kind.__name__] = kind
        waiting.extend(kind.__subclasses__())
    return found
