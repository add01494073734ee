"""Decides how a script's ending is told: what it let through uncaught is told as what it was."""

from __future__ import annotations

from dataclasses import dataclass

from toolscript.errors import InternalError, ScriptThrew, ToolscriptError, revive
from toolscript.events import RunStatus
from toolscript.logs import get_logger
from toolscript.runtime.session import Done, Failed

log = get_logger(__name__)


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


def unexpected(error: Exception, what: str) -> ToolscriptError:
    """Return what went wrong as an error that everybody understands; what never should have happened is logged."""
    if isinstance(error, ToolscriptError):
        return error
    log.exception("something failed that never should", what=what, exc_info=error)
    return InternalError(f"{what} failed in a way that it never should: {error!r}")


def told(error: ToolscriptError) -> ToolscriptError:
    """Return a tool's error that a script did not catch as that error, with the script's place and stack.

    A script that lets a denial through ends denied, one that lets a limit through ends at that limit: faces
    and exit codes tell these apart.
    """
    if not isinstance(error, ScriptThrew) or not isinstance(error.cause, dict):
        return error
    revived = revive(error.cause)
    revived.position = error.position or revived.position
    revived.details = {**revived.details, "stack": error.stack}
    return revived
