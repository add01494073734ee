"""Decides the exit code of each way in which a command can end."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolscript.errors import Json, ToolscriptError
    from toolscript.run import Run


class Exit(IntEnum):
    """What the shell is told."""

    COMPLETED = 0
    FAILED = 1
    USAGE = 2
    DENIED = 3
    LIMIT = 4
    INTERRUPTED = 130


DENIED = frozenset({"approval_denied", "approval_expired", "approval_unavailable"})


def exit_code(run: Run) -> Exit:
    """Return the exit code of a finished run."""
    from toolscript.events import RunStatus

    if run.status is RunStatus.COMPLETED:
        return Exit.COMPLETED
    if run.status is RunStatus.ABORTED:
        return Exit.INTERRUPTED
    return _of_error(run.error or {})


def turn_exit_code(status: str, reason: str, error: dict[str, Json] | None) -> Exit:
    """Return the exit code of a turn: a person who denied a call and stopped it counts as a refusal."""
    match status:
        case "completed":
            return Exit.COMPLETED
        case "aborted":
            return Exit.INTERRUPTED
        case _ if error is not None:
            return _of_error(error)
    if reason == "denied_and_stopped":
        return Exit.DENIED
    return Exit.LIMIT if reason.startswith("max_") else Exit.FAILED


def of_failure(error: BaseException) -> tuple[Exit, str] | None:
    """Return exit code and sentence of a failure that somebody can act on; None for a fault of ours."""
    from toolscript.errors import ToolscriptError
    from toolscript.language.inert import visible

    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, ToolscriptError):
        place = f" ({error.position})" if error.position else ""
        code = Exit.USAGE if _is_usage(error) else _of_error(error.to_json())
        return code, visible(f"{error.message}{place}")
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return Exit.FAILED, visible(f"{where}{error.strerror}")
    return None


def _is_usage(error: ToolscriptError) -> bool:
    """Say whether what was asked for cannot be: a name of nothing, or configuration that is none."""
    from toolscript.errors import ConfigError, ToolError, UnknownApproval

    unknown = isinstance(error, ToolError) and error.code == "not_found"
    return unknown or isinstance(error, ConfigError | UnknownApproval)


def _of_error(error: dict[str, Json]) -> Exit:
    code = str(error.get("code", ""))
    if code in DENIED:
        return Exit.DENIED
    # One class a limit, one suffix for all their codes.
    if code.endswith("_limit"):
        return Exit.LIMIT
    return Exit.FAILED
