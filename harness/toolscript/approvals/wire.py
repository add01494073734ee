"""Decides how requests and decisions look as JSON: in events, journals and on the owner's socket."""

from __future__ import annotations

from functools import cache

from pydantic import TypeAdapter, ValidationError

from toolscript import misfits
from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.errors import DecisionError, Json


@cache
def _requests() -> TypeAdapter[ApprovalRequest]:
    return TypeAdapter(ApprovalRequest)


@cache
def _decisions() -> TypeAdapter[Decision]:
    return TypeAdapter(Decision)


def request_to_json(request: ApprovalRequest) -> dict[str, Json]:
    """Return everything that a face needs to show a request."""
    data: dict[str, Json] = _requests().dump_python(request, mode="json")
    return data


def request_from_json(data: Json) -> ApprovalRequest:
    """Return the request again. Raises DecisionError if the data is none."""
    try:
        return _requests().validate_python(data)
    except ValidationError as error:
        raise DecisionError(f"not a request for consent: {misfits.told(error, most=1)}") from None


def decision_to_json(decision: Decision) -> dict[str, Json]:
    """Return a decision as JSON."""
    data: dict[str, Json] = _decisions().dump_python(decision, mode="json")
    return data


def decision_from_json(data: Json, *, by: str) -> Decision:
    """Return a proposed decision; who decided is said by the connection, never by the data.

    Raises DecisionError naming what is wrong.
    """
    if not isinstance(data, dict):
        raise DecisionError("a decision is an object with choice, and reason or arguments where they are wanted")
    choice, reason = data.get("choice"), data.get("reason", "")
    if choice not in tuple(Choice):
        raise DecisionError(f"choice must be one of {', '.join(Choice)}, got {choice!r}")
    if not isinstance(reason, str):
        raise DecisionError("reason must be text")
    return Decision(choice=Choice(choice), by=by, reason=reason, arguments=data.get("arguments"))
