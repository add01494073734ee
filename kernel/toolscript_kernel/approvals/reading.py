"""Decides what of a request a person reads at once, above the answers, and what is folded below them."""

from __future__ import annotations

import shlex

from toolscript.approvals.request import ApprovalRequest
from toolscript.approvals.text import Section, sections
from toolscript.approvals.visible import one_line
from toolscript.errors import Json
from toolscript_kernel.record import html
from toolscript_kernel.record.inert import markup

_FIRST = ("What it would do", "Why it asks", "Because", "Justification by the script", "Environment added")
_ELSEWHERE = ("Tool", "Allowing it for this conversation would allow")
"""The heading has the one, the buttons the other."""


def request_html(request: ApprovalRequest, *, offset: int = 0) -> str:
    """Return as inert HTML what is read before answering: what it would do, why it asks, warnings and changes."""
    first = _first(request, full=False)
    place = f", line {request.line + offset}" if request.line else ""
    head = (
        f'<div style="font-weight:600">{html.sign("awaiting_approval")} '
        f"Approval needed: {markup(request.tool)}</div>"
        f'<div style="opacity:.72;font-size:12px">call {request.operation}{place}</div>'
    )
    whole = "".join(_section(s) for s in _first(request, full=True) if s.kind in ("code", "diff"))
    more = _folded("Show everything", whole) if any(s.cut for s in first) else ""
    return f'<div style="font-size:13px;line-height:1.5">{head}{"".join(map(_section, first))}{more}</div>'


def details_html(request: ApprovalRequest) -> str:
    """Return as inert HTML, folded, all that is known of the request besides; nothing of it is cut."""
    first = {s.title for s in _first(request, full=True)}
    rest = [s for s in sections(request, full=True) if s.title not in {*first, *_ELSEWHERE}]
    left = [s for s in rest if not _in_diff(_argument(request, s), request)]
    return f'<div style="font-size:13px;line-height:1.5">{_folded("Details", "".join(map(_section, left)))}</div>'


def _first(request: ApprovalRequest, *, full: bool) -> list[Section]:
    found = sections(request, full=full)
    told = [s for title in _FIRST for s in found if s.title == title]
    return told + [s for s in found if s.title not in _ELSEWHERE and s not in told and _needed(s, request)]


def _needed(section: Section, request: ApprovalRequest) -> bool:
    """Say whether a section must be seen before answering and is not said by another."""
    if section.title.startswith("Argument"):
        value = _argument(request, section)
        # What is empty says nothing, and the justification has a line of its own; the details have both.
        if value in ({}, [], "") or value == request.classification.justification:
            return False
        return request.classification.diff is None and not _in_summary(value, request)
    return section.kind in ("warning", "diff")


def _argument(request: ApprovalRequest, section: Section) -> Json:
    """Return the argument that a section shows, None where it shows none."""
    given = request.arguments if isinstance(request.arguments, dict) else {}
    title = section.title.partition(" (")[0]
    return next((value for name, value in given.items() if title == f"Argument {one_line(name)}"), None)


def _in_summary(value: Json, request: ApprovalRequest) -> bool:
    """Say whether the summary has a plain value word for word; anything that could be read otherwise stands alone."""
    if isinstance(value, str) and value.isascii() and value.isprintable():
        return f" {shlex.quote(value)} " in f" {one_line(request.classification.summary)} "
    words = value if isinstance(value, list) else [value]
    if not words or not all(isinstance(w, str) and w.isascii() and w.isprintable() and " " not in w for w in words):
        return False
    return f" {' '.join(words)} " in f" {one_line(request.classification.summary)} "


def _in_diff(value: Json, request: ApprovalRequest) -> bool:
    """Say whether every line of a text is an added one of the diff, which stands above the answers."""
    if not isinstance(value, str) or not request.classification.diff:
        return False
    added = set(request.classification.diff.split("\n"))
    return all(f"+{line}" in added for line in value.removesuffix("\n").split("\n"))


def _folded(title: str, body: str) -> str:
    return f'<details><summary style="cursor:pointer;opacity:.75">{title}</summary>{body}</details>'


def _section(section: Section) -> str:
    title = f'<span style="opacity:.72">{markup(section.title)}</span>'
    if section.kind == "diff":
        return f"<div>{title}</div>{html.diff(section.text)}"
    if section.kind == "code" and section.text in ("true", "false"):
        return f'<div>{title}: <code style="background:transparent;padding:0">{section.text}</code></div>'
    if section.kind == "code":
        return f"<div>{title}</div>{html.pre(section.text)}"
    sign = f"{html.sign('awaiting_approval')} " if section.kind == "warning" else ""
    return f'<div style="overflow-wrap:anywhere">{sign}{title}: {markup(section.text)}</div>'
