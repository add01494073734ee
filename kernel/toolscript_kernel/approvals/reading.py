"""Decides what of a request a person reads at once, above the answers, and what is folded below them."""

from __future__ import annotations

from toolscript.approvals.brief import first, rest
from toolscript.approvals.request import ApprovalRequest
from toolscript.approvals.text import Section
from toolscript_kernel.record import html
from toolscript_kernel.record.inert import markup


def request_html(request: ApprovalRequest, *, offset: int = 0) -> str:
    """Return as inert HTML what is read before answering: what it would do, why it asks, warnings and changes."""
    told = first(request)
    place = f", line {request.line + offset}" if request.line else ""
    head = (
        f'<div style="font-weight:600">{html.sign("awaiting_approval")} '
        f"Approval needed: {markup(request.tool)}</div>"
        f'<div style="opacity:.72;font-size:12px">call {request.operation}{place}</div>'
    )
    whole = "".join(_section(s) for s in first(request, full=True) if s.kind in ("code", "diff"))
    more = _folded("Show everything", whole) if any(s.cut for s in told) else ""
    return f'<div style="font-size:13px;line-height:1.5">{head}{"".join(map(_section, told))}{more}</div>'


def details_html(request: ApprovalRequest) -> str:
    """Return as inert HTML, folded, all that is known of the request besides; nothing of it is cut."""
    body = _folded("Details", "".join(map(_section, rest(request))))
    return f'<div style="font-size:13px;line-height:1.5">{body}</div>'


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
