"""Decides what a refusal says of how to allow the call: only ways that there are, where it was made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from toolscript.approvals.choices import Choice

if TYPE_CHECKING:
    from toolscript.approvals.request import ApprovalRequest
    from toolscript.errors import Json

TERMINAL = ("run it at a terminal, which asks",)
"""What a command line offers."""
NOTEBOOK = (
    "run the cell in a page or console that can ask",
    "put `%toolscript allow {tool} …` with its arguments, or `%toolscript answer allow`, into a cell before",
)
"""What a notebook offers."""
LONGEST = 200

_SAID = {
    Choice.ALLOW: "allowed once", Choice.ALLOW_CONVERSATION: "allowed for this conversation",
    Choice.EDIT: "edited and allowed", Choice.DENY: "denied", Choice.DENY_AND_STOP: "denied, and the turn ended",
    Choice.EXPIRE: "expired", Choice.WITHDRAWN: "withdrawn",
}  # fmt: skip
_WHO = {
    "widget": "a person in the notebook", "side panel": "a person in the side panel",
    "console": "a person at the console", "terminal": "a person at the terminal",
    "notebook": "an answer given ahead in the notebook", "clock": "the time limit", "run": "the end of its run",
}  # fmt: skip


def how_to_allow(request: ApprovalRequest, ways: Iterable[str]) -> str:
    """Return the ways to allow a call, each on its own, joined for a sentence."""
    listed = [way.replace("{tool}", request.tool) for way in ways]
    return "; ".join([*listed, *_configured(request)])


def _configured(request: ApprovalRequest) -> Iterator[str]:
    from toolscript.approvals.permissions import always_asked, ordinary

    if always_asked(request.classification):
        yield "no rule allows it: it changes what is allowed"
        return
    rule = f'tool = "{request.tool}", verdict = "allow"'
    if ordinary(request.classification):
        yield f"add a rule to your toolscript.toml ([[rules]] {rule})"
    else:
        exact = _exact(request) or "arguments = {…}"
        yield f"add a rule with exactly its arguments to your toolscript.toml ([[rules]] {rule}, {exact})"
    if request.extra.get("laxer"):
        yield f"choose the policy {request.extra['laxer']}, which lets it run"


def _exact(request: ApprovalRequest) -> str:
    """Return the call's arguments as TOML, if a sentence can hold them."""
    arguments = request.arguments
    if not isinstance(arguments, Mapping):
        return ""
    usual = request.extra.get("at_default", ())
    pairs = [
        f"{name} = {_toml(value)}"
        for name, value in arguments.items()
        if name not in usual and value not in (None, {}, [])
    ]
    text = f"arguments = {{{', '.join(pairs)}}}"
    from toolscript.approvals.visible import one_line

    return text if len(text) <= LONGEST and text.isprintable() and one_line(text) == text else ""


def _toml(value: Json) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)} = {_toml(item)}" for name, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def who(by: str) -> str:
    """Return who decided in words; what is no decider of ours stays as it is."""
    place, _, name = by.partition("/")
    return f"a person through {name}" if place == "socket" and name else _WHO.get(by, by)


def said(choice: Choice) -> str:
    """Return what was decided in words."""
    return _SAID[choice]
