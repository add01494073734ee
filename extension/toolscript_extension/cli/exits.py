"""Decides the exit code of each way in which a command can end."""

from __future__ import annotations

from enum import IntEnum

from toolscript.errors import Json
from toolscript.events import RunStatus
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
    if run.status is RunStatus.COMPLETED:
        return Exit.COMPLETED
    if run.status is RunStatus.ABORTED:
        return Exit.INTERRUPTED
    return _of_error(run.error or {})


def _of_error(error: dict[str, Json]) -> Exit:
    code = str(error.get("code", ""))
    if code in DENIED:
        return Exit.DENIED
    # One class a limit, one suffix for all their codes.
    if code.endswith("_limit"):
        return Exit.LIMIT
    return Exit.FAILED
