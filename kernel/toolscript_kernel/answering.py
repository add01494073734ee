"""Decides how commands of a notebook list what waits for consent, and how they answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolscript.errors import ConfigError

if TYPE_CHECKING:
    from toolscript.approvals.bridge import Bridge
    from toolscript.approvals.request import ApprovalRequest, Choice

BY = "notebook"
_SHORTEST = 4
"""Fewer characters of an id could be a word of a reason."""


def listed(harness: Any) -> str:
    """Return what waits, what was answered ahead and what is allowed, one on each line."""
    waiting = [f"waits: {told(r)}" for r in harness.approvals.pending]
    if waiting:
        waiting.append("answer one: %toolscript answer allow|deny|stop ID [REASON]")
    ahead = [f"answered ahead, for the next cell: {_given(a)}" for a in harness.approvals.answers]
    kept = [f"{p.id}. {p}" for p in harness.permissions]
    return "\n".join([*waiting, *ahead, *kept]) or "nothing waits, and nothing is allowed ahead"


def told(request: ApprovalRequest) -> str:
    """Return a request in one line, after the name by which it is answered."""
    from toolscript_kernel.approvals.lasting import short
    from toolscript_kernel.record import inert, text
    from toolscript_kernel.record.sheet import Row

    row = Row(number=request.operation, tool=request.tool, arguments=request.arguments, status="")
    what = inert.one_line(f"{request.tool}: {request.classification.summary or text.arguments(row)}", 120)
    return f"{short(request)}  {what}  (call {request.operation} of {request.run_id})"


def named(bridge: Bridge, words: list[str], *, alone: bool) -> tuple[ApprovalRequest | None, list[str]]:
    """Return the waiting request that is meant, if any, and the words of the reason.

    Without an id, a command alone in its cell means the one that waits; above a script or a prompt it answers ahead.
    Raises ConfigError where several wait and none is named.
    """
    if words and (found := _found(bridge, words[0])) is not None:
        return found, words[1:]
    if not alone or not bridge.pending:
        return None, words
    if len(bridge.pending) > 1:
        lines = "\n".join(f"  {told(r)}" for r in bridge.pending)
        raise ConfigError(f"%toolscript answer: several requests wait; name one by its id\n{lines}")
    return bridge.pending[0], words


async def answered(bridge: Bridge, request: ApprovalRequest, choice: Choice, reason: str) -> str:
    """Answer a request that waits and return what was done. Raises ToolscriptError where that did not count."""
    from toolscript.approvals.request import Decision
    from toolscript.approvals.ways import said

    await bridge.decide(request.approval_id, Decision(choice=choice, by=BY, reason=reason))
    return f"{said(choice)}: {told(request).partition('  ')[2]}"


def _found(bridge: Bridge, word: str) -> ApprovalRequest | None:
    if len(word) < _SHORTEST:
        return None
    found = [request for request in bridge.pending if request.approval_id.startswith(word)]
    return found[0] if len(found) == 1 else None


def _given(answer: Any) -> str:
    return f"{answer.choice.value.replace('_', ' ')} {answer.reason}".strip()
