"""Decides the few words that say how an operation came out, from its status and output alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

from toolscript.errors import Json
from toolscript.events import OperationStatus
from toolscript.run import Operation
from toolscript_kernel.record import inert
from toolscript_kernel.record.picture import named

MARKS = {
    "pending": "○",
    "awaiting_approval": "?",
    "running": "●",
    "succeeded": "✓",
    "failed": "✗",
    "denied": "⊘",
    "cancelled": "–",
    "planned": "◇",
    "completed": "✓",
    "aborted": "–",
    "stopped": "–",
}
"""One sign for each status of an operation, a run or a turn; the word always stands beside it."""

WORDS = {"awaiting_approval": "waits for approval"}


def word(status: str) -> str:
    """Return the status as people read it."""
    return WORDS.get(status, status)


def seen(status: str, outcome: str) -> str:
    """Return the status whose sign is shown: a command that was run and failed did not fail as a call."""
    return "failed" if status == "succeeded" and re.match(r"exit -?[1-9]", outcome) else status


_DECIDED = {
    "allow": "allowed once",
    "allow_conversation": "allowed for this conversation",
    "edit": "edited and allowed",
    "deny": "denied",
    "deny_and_stop": "denied, and the turn ended",
    "expire": "not decided in time",
    "withdrawn": "no longer asked",
}


def decided(approval: str) -> str:
    """Return the last decision on an operation as people read it: ``allowed once``, ``denied (rule)``.

    That a person pressed a button in the page is how it mostly goes, and not said.
    """
    choice, _, by = approval.partition(" by ")
    return f"{_DECIDED.get(choice, choice)}{f' ({by})' if by not in ('', 'widget') else ''}"


def standing(operation: Operation) -> str:
    """Return the status that people see: a call that nobody is asked about runs from its beginning."""
    status = operation.status
    return "running" if status is OperationStatus.PENDING else status.value


def outcome(operation: Operation, *, ended: bool = False) -> str:
    """Return how the operation came out: ``exit 1``, ``4 matches``, an error's message, or its status.

    ``ended`` tells that the script has; a task of it may go on.
    """
    if ended and operation.task_id and operation.duration_ms is None:
        asks = operation.status is OperationStatus.AWAITING_APPROVAL
        return "waits for approval" if asks else "goes on as a task"
    if operation.error is not None:
        return inert.one_line(str(operation.error.get("message", operation.status.value)), 200)
    if operation.status is not OperationStatus.SUCCEEDED:
        return word(standing(operation))
    return _of_output(operation.output)


def _of_output(output: Json) -> str:
    if isinstance(output, Mapping):
        if "exitCode" in output:
            return _of_command(output)
        if {"added", "modified", "deleted"} & output.keys():
            return _of_changes(output)
        return inert.one_line(named(output), 60) or "done"
    if isinstance(output, list):
        return _count(len(output), "item")
    if isinstance(output, str):
        return _count(len(output.splitlines()), "line")
    return "done"


def _of_command(output: Mapping[str, Json]) -> str:
    notes = [f"exit {output['exitCode']}"]
    notes += [name for name, key in (("timed out", "timedOut"), ("planned", "planned")) if output.get(key)]
    return " · ".join(notes)


def _of_changes(output: Mapping[str, Json]) -> str:
    kinds = ("added", "modified", "deleted", "moved")
    notes = [f"{kind} {_names(output[kind])}" for kind in kinds if output.get(kind)]
    return inert.one_line(", ".join(notes), 200) or "no change"


def _names(value: Json) -> str:
    if not isinstance(value, list):
        return str(value)
    return ", ".join(_name(item) for item in value)


def _name(item: Json) -> str:
    if isinstance(item, Mapping):
        return " → ".join(str(v) for k in ("from", "path", "to") if (v := item.get(k)))
    return str(item)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
