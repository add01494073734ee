"""Decides how an error that crossed a process or a file becomes an error of its class again."""

from __future__ import annotations

from toolscript.errors.base import Json, Position, ToolscriptError, rebuild
from toolscript.errors.tool import ToolError


def revive(data: dict[str, Json]) -> ToolscriptError:
    """Return an error of the class that wrote :meth:`ToolscriptError.to_json`, or a ToolError with its code."""
    kind = _classes().get(str(data.get("name")), ToolError)
    place = Position(data["line"], data.get("column") or 1) if isinstance(data.get("line"), int) else None
    state: dict[str, Json] = {
        "message": str(data.get("message", "")), "position": place, "details": dict(data.get("details") or {}),
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
