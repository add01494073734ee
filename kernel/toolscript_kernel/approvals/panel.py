"""Decides how one request for consent looks in a notebook, and which button says what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.approvals.text import conversation_scope
from toolscript.approvals.visible import one_line
from toolscript.errors import Json
from toolscript_kernel.approvals.controls import Form, JsonField, button, card, line, row
from toolscript_kernel.approvals.reading import details_html, request_html
from toolscript_kernel.front import ipywidgets
from toolscript_kernel.record import html
from toolscript_kernel.record.inert import markup
from toolscript_kernel.record.outcome import decided

Answer = Callable[[str, Decision], None]
"""Takes the approval's id and what was clicked."""

BY = "widget"


class Panel:
    """One request with its controls.

    Nothing is focused by itself: a person who is typing elsewhere must not answer by accident. ``changed`` is called
    when the person begins to edit, or leaves it.
    """

    def __init__(
        self, request: ApprovalRequest, answer: Answer, *, offset: int = 0, changed: Callable[[], None] = lambda: None
    ) -> None:
        self.request = request
        self._answer = answer
        self._changed = changed
        self._note = ipywidgets().HTML("")
        self._reason = line("reason, if any")
        self._edited: JsonField | None = None
        self._unedited: list[Any] = []
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
        allow = button(
            "Allow once", lambda: self._as_asked(Choice.ALLOW), style="success", tip="Run exactly this, once"
        )
        self._unedited = [allow]
        if remember:
            tip = f"Also allow later: {one_line(remember)}"
            self._unedited.append(
                button("Allow for this conversation", lambda: self._as_asked(Choice.ALLOW_CONVERSATION), tip=tip)
            )
        self._editor = ipywidgets().VBox([])
        self._edit_button = button("Edit…", self._edit, tip="Change the arguments, then allow that")
        deny = button("Deny", lambda: self._say(Choice.DENY), style="danger", tip="The script goes on, told the reason")
        stop = button("Deny and stop", lambda: self._say(Choice.DENY_AND_STOP), tip="Refuse this call, end the turn")
        self._controls: list[Any] = [*self._unedited, self._edit_button, deny, stop, self._reason]
        html_of, scope = ipywidgets().HTML, conversation_scope(request)
        covers = (
            f'<div style="opacity:.75;font-size:11px;line-height:1.5;overflow-wrap:anywhere">'
            f"“For this conversation” covers {markup(scope)}</div>"
            if scope
            else ""
        )
        return [
            html_of(request_html(request, offset=offset)), row(*self._controls), self._editor,
            html_of(covers + details_html(request)),
        ]  # fmt: skip

    def _question(self, asked: dict[str, Json]) -> list[Any]:
        self._form = Form(asked.get("schema"))
        self._controls = [
            button("Answer", self._fill_in, style="success"),
            button("Decline", lambda: self._say(Choice.DENY), tip="The tool goes on without an answer"),
            button("Cancel", lambda: self._say(Choice.DENY_AND_STOP), tip="End what asked"),
        ]
        head = ipywidgets().HTML(question_html(self.request, asked))
        return [head, *self._form.widgets, row(*self._controls)]

    @property
    def editing(self) -> bool:
        """Whether other arguments than those of the request are being written; only those can be allowed then."""
        return self._edited is not None

    def _edit(self) -> None:
        if self._edited is None:
            self._edited = JsonField(self.request.arguments)
            allow = button("Allow what is written here", self._allow_edited, style="success")
            self._written = [self._edited.widget, allow]
            self._controls += self._written
            self._editor.children = (self._edited.widget, row(allow))
        else:
            self._edited = None
            self._controls = [c for c in self._controls if c not in self._written]
            self._editor.children = ()
        self._edit_button.description = "Do not edit" if self.editing else "Edit…"
        for unedited in self._unedited:
            unedited.layout.display = "none" if self.editing else None
        self._enable(True)
        self._changed()

    def _as_asked(self, choice: Choice) -> None:
        # A click that was under way when the person began to edit meant what stood there before.
        if not self.editing:
            self._say(choice)

    def _allow_edited(self) -> None:
        if self._edited is None:
            return
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
            control.disabled = not enabled or (self.editing and control in self._unedited)


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
