"""Decides how one request for consent looks in a notebook, and which button says what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.approvals.text import Section, sections
from toolscript.approvals.visible import one_line
from toolscript.errors import Json
from toolscript_kernel.approvals.controls import Form, JsonField, button, card, line, row
from toolscript_kernel.front import ipywidgets
from toolscript_kernel.record import html
from toolscript_kernel.record.inert import markup
from toolscript_kernel.record.outcome import decided

Answer = Callable[[str, Decision], None]
"""Takes the approval's id and what was clicked."""

BY = "widget"
_FIRST = ("What it would do", "Why it asks", "Because", "Justification by the script")
_LAST = ("Digest", "Script", "Tools this run may use", "Confined by the operating system", "Effect")


class Panel:
    """One request with its controls.

    Nothing is focused by itself: a person who is typing elsewhere must not answer by accident.
    """

    def __init__(self, request: ApprovalRequest, answer: Answer, *, offset: int = 0) -> None:
        self.request = request
        self._answer = answer
        self._note = ipywidgets().HTML("")
        self._reason = line("reason (optional, the script sees it)")
        self._edited: JsonField | None = None
        asked = request.extra.get("question")
        parts = self._question(asked) if isinstance(asked, dict) else self._approval(offset)
        self.box = card(*parts, self._note, name="toolscript-approval")

    def settled(self, decision: Decision) -> None:
        """Show that the request was decided, and take no more answers."""
        self.wait()
        reason = f": {markup(decision.reason)}" if decision.reason else ""
        said = decided(f"{decision.choice.value} by {decision.by}")
        self._note.value = f"<div>{markup(said)}{reason}</div>"

    def wait(self) -> None:
        """Take no more answers: one was given."""
        self._enable(False)

    def refused(self, message: str) -> None:
        """Show why the answer did not count, and take another."""
        self._note.value = f'<div role="alert">{html.sign("failed")} {markup(message)}</div>'
        self._enable(True)

    def _approval(self, offset: int) -> list[Any]:
        request, remember = self.request, self.request.classification.remember
        buttons = [button("Allow once", lambda: self._say(Choice.ALLOW), style="success", tip="Run exactly this, once")]
        if remember:
            tip = f"Also allow later: {one_line(remember)}"
            buttons.append(button("Allow for this conversation", lambda: self._say(Choice.ALLOW_CONVERSATION), tip=tip))
        self._editor = ipywidgets().VBox([])
        buttons += [
            button("Edit…", self._edit, tip="Change the arguments, then allow that"),
            button(
                "Deny", lambda: self._say(Choice.DENY), style="danger", tip="The script goes on and sees the reason"
            ),
            button("Deny and stop", lambda: self._say(Choice.DENY_AND_STOP), tip="Refuse this call and end the turn"),
        ]
        self._controls: list[Any] = [*buttons, self._reason]
        return [ipywidgets().HTML(request_html(request, offset=offset)), row(*self._controls), self._editor]

    def _question(self, asked: dict[str, Json]) -> list[Any]:
        self._form = Form(asked.get("schema"))
        self._controls = [
            button("Answer", self._fill_in, style="success"),
            button("Decline", lambda: self._say(Choice.DENY), tip="The tool goes on without an answer"),
            button("Cancel", lambda: self._say(Choice.DENY_AND_STOP), tip="End what asked"),
        ]
        head = ipywidgets().HTML(question_html(self.request, asked))
        return [head, *self._form.widgets, row(*self._controls)]

    def _edit(self) -> None:
        if self._edited is not None:
            return
        self._edited = JsonField(self.request.arguments)
        allow = button("Allow what is written here", self._allow_edited, style="success")
        self._controls += [self._edited.widget, allow]
        self._editor.children = (self._edited.widget, row(allow))

    def _allow_edited(self) -> None:
        assert self._edited is not None
        try:
            arguments = self._edited.read()
        except ValueError as error:
            self.refused(f"this is not JSON: {error}")
            return
        self._say(Choice.EDIT, arguments)

    def _fill_in(self) -> None:
        try:
            self._say(Choice.EDIT, self._form.read())
        except ValueError as error:
            self.refused(str(error))

    def _say(self, choice: Choice, arguments: Json = None) -> None:
        decision = Decision(choice=choice, by=BY, reason=self._reason.value.strip(), arguments=arguments)
        self._answer(self.request.approval_id, decision)

    def _enable(self, enabled: bool) -> None:
        for control in self._controls:
            control.disabled = not enabled


def question_html(request: ApprovalRequest, asked: dict[str, Json]) -> str:
    """Return a tool's question as inert HTML; an address is shown, never opened by itself."""
    url = str(asked.get("url") or "")
    link = (
        f'<div style="overflow-wrap:anywhere">it names the address <code>{markup(one_line(url))}</code></div>'
        if url
        else ""
    )
    return (
        f'<div style="font-size:13px;line-height:1.5">'
        f"<b>{html.sign('awaiting_approval')} {markup(request.tool)} asks</b>"
        f"<div>{markup(str(asked.get('message', '')))}</div>{link}</div>"
    )


def request_html(request: ApprovalRequest, *, offset: int = 0) -> str:
    """Return the request as inert HTML: what it would do first, where it comes from last."""
    found = sections(request)
    place = f", line {request.line + offset}" if request.line else ""
    head = (
        f'<div style="font-weight:600">{html.sign("awaiting_approval")} '
        f"Approval needed: {markup(request.tool)}</div>"
        f'<div style="opacity:.72;font-size:12px">call {request.operation}{place}</div>'
    )
    first = [s for s in found if s.title in _FIRST or s.kind == "warning"]
    last = [s for s in found if s.title in _LAST]
    middle = [s for s in found if s not in first and s not in last and s.title != "Tool"]
    more = "".join(map(_section, last))
    return (
        f'<div style="font-size:13px;line-height:1.5">{head}{"".join(map(_section, [*first, *middle]))}'
        f'{_whole(request, found)}<details><summary style="cursor:pointer;opacity:.72">Details</summary>'
        f"{more}</details></div>"
    )


def _whole(request: ApprovalRequest, shown: tuple[Section, ...]) -> str:
    """Return the full view where something was cut: what is approved must be there to be read."""
    if not any(s.cut for s in shown):
        return ""
    body = "".join(_section(s) for s in sections(request, full=True) if s.kind in ("code", "diff"))
    return f'<details><summary style="cursor:pointer">Show everything</summary>{body}</details>'


def _section(section: Section) -> str:
    title = f'<span style="opacity:.72">{markup(section.title)}</span>'
    if section.kind == "diff":
        return f"<div>{title}</div>{html.diff(section.text)}"
    if section.kind == "code":
        return f"<div>{title}</div>{html.pre(section.text)}"
    sign = f"{html.sign('awaiting_approval')} " if section.kind == "warning" else ""
    return f'<div style="overflow-wrap:anywhere">{sign}{title}: {markup(section.text)}</div>'
