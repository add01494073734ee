"""Decides how an error that crossed a process or a file becomes an error of its class again."""

from __future__ import annotations

from toolscript.errors.base import Json, Position, ToolscriptError, rebuild
from toolscript.errors.tool import ToolError


def revive(data: dict[str, Json]) -> ToolscriptError:
    """Return an error of the class that wrote :meth:`ToolscriptError.to_json`, or a ToolError with its code."""
    kind = _classes().get(str(data.get("name")), ToolError)
    line, column, details = data.get("line"), data.get("column"), data.get("details")
    place = Position(line, column if isinstance(column, int) else 1) if isinstance(line, int) else None
    state: dict[str, Json] = {
        "message": str(data.get("message", "")), "position": place,
        "details": dict(details) if isinstance(details, dict) else {},
    }  # fmt: skip
    if issubclass(kind, ToolError):
        state |= {"tool": str(data.get("tool", "")), "code": str(data.get("code", kind.code))}
    return rebuild(kind, state)


def _classes() -> dict[str, type[ToolscriptError]]:
    found: dict[str, type[ToolscriptError]] = {}
    waiting: list[type[ToolscriptError]] = [ToolscriptError]
    while waiting:
        kind = waiting.pop()
        found[kind.__name__] = kind
        waiting.extend(kind.__subclasses__())
    return found
