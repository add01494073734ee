"""Decides which limits can be reached, each with a class and code of its own."""

from __future__ import annotations

from typing import ClassVar

from toolscript import units
from toolscript.errors.base import Position, ToolscriptError


class LimitExceeded(ToolscriptError):
    """A run used more of something than it was given."""

    code = "limit_exceeded"
    what: ClassVar[str] = "limit"
    unit: ClassVar[str] = ""

    def __init__(
        self, allowed: float, used: float | None = None, *, position: Position | None = None, note: str = ""
    ) -> None:
        super().__init__(
            f"{self.what} limit of {units.amount(allowed, self.unit)} reached"
            f"{_spent(allowed, used, self.unit)}{f'; {note}' if note else ''}",
            position=position,
            details={"limit": self.what, "allowed": allowed, "used": used},
        )
        self.allowed = allowed
        self.used = used


def _spent(allowed: float, used: float | None, unit: str) -> str:
    """Say what was used where that tells more than the limit; in full digits where rounding would hide it."""
    if used is None or used == allowed:
        return ""
    told = units.amount(used, unit)
    return f" (used {f'{units.number(used)} {unit}'.rstrip() if told == units.amount(allowed, unit) else told})"


class SourceTooLarge(LimitExceeded):
    """The source has more bytes than allowed."""

    code, what, unit = "source_limit", "source size", "bytes"


class GuestTimeExceeded(LimitExceeded):
    """The script computed for longer than allowed; waiting does not count."""

    code, what, unit = "guest_time_limit", "guest time", "s"


class WallTimeExceeded(LimitExceeded):
    """The run lasted longer than allowed; waiting for a person does not count."""

    code, what, unit = "wall_time_limit", "wall time", "s"


class HeapExceeded(LimitExceeded):
    """The engine's heap is full."""

    code, what, unit = "heap_limit", "heap", "bytes"


class StackExceeded(LimitExceeded):
    """The script recursed too deeply."""

    code, what, unit = "stack_limit", "stack", "bytes"


class CallsExceeded(LimitExceeded):
    """The script made more tool calls than allowed."""

    code, what, unit = "call_limit", "tool calls", ""


class TimersExceeded(LimitExceeded):
    """The script set more timers than allowed."""

    code, what, unit = "timer_limit", "timers", ""


class ArgumentsTooLarge(LimitExceeded):
    """The arguments of one call have more bytes than allowed."""

    code, what, unit = "argument_limit", "arguments", "bytes"


class ResultTooLarge(LimitExceeded):
    """The result of the script has more bytes than allowed."""

    code, what, unit = "result_limit", "result", "bytes"


class StoreTooLarge(LimitExceeded):
    """The conversation's store would hold more bytes than allowed."""

    code, what, unit = "store_limit", "store", "bytes"


class DenialsExceeded(LimitExceeded):
    """The script kept asking for what was denied."""

    code, what, unit = "denial_limit", "denied requests", ""
