"""Decides how a script's ending is told: what it let through uncaught is told as what it was."""

from __future__ import annotations

from dataclasses import dataclass

from toolscript.errors import ScriptThrew, ToolscriptError, revive
from toolscript.events import RunStatus
from toolscript.runtime.session import Done, Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a script ended; ``result`` is JSON text."""

    status: RunStatus
    result: str | None = None
    error: ToolscriptError | None = None

    @classmethod
    def of(cls, ended: Done | Failed) -> Ending:
        """Return the ending that the worker reports."""
        if isinstance(ended, Done):
            return cls(status=RunStatus.COMPLETED, result=ended.result)
        return cls(status=RunStatus.FAILED, error=told(ended.error))


def told(error: ToolscriptError) -> ToolscriptError:
    """Return a tool's error that a script did not catch as that error, with the script's place and stack.

    A script that lets a denial through ends denied, one that lets a limit through ends at that limit: faces
    and exit codes tell these apart.
    """
    if not isinstance(error, ScriptThrew) or not error.cause:
        return error
    revived = revive(error.cause)
    revived.position = error.position or revived.position
    revived.details = {**revived.details, "stack": error.stack}
    return revived
