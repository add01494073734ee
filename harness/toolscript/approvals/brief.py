"""Decides what of a request a person reads at once, before answering; the rest is there for whoever wants all."""

from __future__ import annotations

import shlex

from toolscript.approvals.request import ApprovalRequest
from toolscript.approvals.text import SCOPE, WHAT, WHY, Section, lines, sections
from toolscript.approvals.visible import one_line
from toolscript.errors import Json

FIRST = (WHAT, WHY, "Because", "Justification by the script", "Environment added")
ELSEWHERE = ("Tool", SCOPE)
"""The heading has the one, the answers the other."""


def first(request: ApprovalRequest, *, full: bool = False) -> list[Section]:
    """Return what must be read before answering: what it would do, why it asks, warnings, changes; nothing twice."""
    found = sections(request, full=full)
    told = [section for title in FIRST for section in found if section.title == title]
    return told + [s for s in found if s.title not in ELSEWHERE and s not in told and _needed(s, request)]


def rest(request: ApprovalRequest) -> list[Section]:
    """Return all that is known of the request besides, nothing cut; what the diff says is not said again."""
    before = {section.title for section in first(request, full=True)}
    others = [s for s in sections(request, full=True) if s.title not in {*before, *ELSEWHERE}]
    return [section for section in others if not _in_diff(argument_of(request, section), request)]


def in_brief(request: ApprovalRequest) -> str:
    """Return the first part as plain lines under the tool's name, free of control characters."""
    return lines([Section(title="Tool", text=one_line(request.tool)), *first(request)])


def argument_of(request: ApprovalRequest, section: Section) -> Json:
    """Return the argument that a section shows, None where it shows none."""
    given = request.arguments if isinstance(request.arguments, dict) else {}
    title = section.title.partition(" (")[0]
    return next((value for name, value in given.items() if title == f"Argument {one_line(name)}"), None)


def _needed(section: Section, request: ApprovalRequest) -> bool:
    """Say whether a section must be seen before answering and is not said by another."""
    if section.title.startswith("Argument"):
        return request.classification.diff is None and not _told(section, request)
    return section.kind in ("warning", "diff")


def _told(section: Section, request: ApprovalRequest) -> bool:
    """Say whether what an argument holds stands, as what it is, in another section of the first part."""
    value, seen = argument_of(request, section), request.classification
    match section.title:
        case "Argument justification":
            return bool(value == seen.justification)
        case "Argument env":
            return bool(value == dict(seen.environment))
        case "Argument withEscalatedPermissions":
            return value is seen.escalated
        case _:
            # What is empty says nothing; the rest has it.
            return value in ({}, [], "") or _in_summary(value, request)


def _in_summary(value: Json, request: ApprovalRequest) -> bool:
    """Say whether the summary has a value word for word; anything that could be read otherwise stands alone."""
    match value:
        case str() if value and _clear(value):
            written = [value, shlex.quote(value)]
        case [*given] if given and all(isinstance(word, str) and _clear(word) and _unquoted(word) for word in given):
            written = [shlex.join(given)]
        case _:
            return False
    return any(f" {words} " in f" {one_line(request.classification.summary)} " for words in written)


def _clear(text: str) -> bool:
    return text.isascii() and text.isprintable() and "  " not in text


def _unquoted(word: str) -> bool:
    # Quotes within quotes are hard to read: such words stand on lines of their own.
    return not {"'", '"', "\\"} & set(word)


def _in_diff(value: Json, request: ApprovalRequest) -> bool:
    """Say whether every line of a text is an added one of the diff, which stands above the answers."""
    if not isinstance(value, str) or not request.classification.diff:
        return False
    added = set(request.classification.diff.split("\n"))
    return all(f"+{line}" in added for line in value.removesuffix("\n").split("\n"))
