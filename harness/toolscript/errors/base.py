"""Decides what every failure carries: a stable code, a message, a place, details, and its JSON form."""

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


def rebuild(cls: type[ToolscriptError], state: dict[str, Any]) -> ToolscriptError:
    """Return an error of this class with this state, whatever facts its constructor takes."""
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
        return rebuild, (type(self), dict(self.__dict__))

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
