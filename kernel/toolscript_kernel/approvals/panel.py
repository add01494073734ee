"""Decides how one request for consent looks in a notebook, and which button says what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.approvals.text import Section, sections
from toolscript_kernel.front import ipywidgets
from toolscript_kernel.record import html
from toolscript_kernel.record.inert import markup
from toolscript_kernel.record.outcome import decided

Answer = Callable[[str, Decision], None]
"""Takes the approval's id and what was clicked; may be called from any thread."""

BY = "widget"
BORDER = "1px solid rgba(183,121,31,.75)"
MARK = "4px solid #b7791f"
_FIRST = ("What it would do", "Why it asks", "Because", "Justification by the script")
_LAST = ("Digest", "Script", "Tools this run may use", "Confined by the operating system", "Effect")


class Panel:
    """One request with its buttons: core widgets, so that it works wherever ipywidgets does.

    Nothing is focused by itself: a person who is typing elsewhere must not answer by accident.
    """

    def __init__(self, request: ApprovalRequest, answer: Answer, *, offset: int = 0) -> None:
        self.request = request
        self._answer = answer
        widgets = ipywidgets()
        self._reason = widgets.Text(
            placeholder="reason (optional, the script sees it)",
            continuous_update=True,
            layout=widgets.Layout(width="auto", flex="1 1 180px", min_width="120px"),
        )
        self._buttons = self._make_buttons(widgets)
        row = widgets.Layout(display="flex", flex_flow="row wrap", align_items="center", grid_gap="4px")
        answers = widgets.Box([*self._buttons, self._reason], layout=row)
        self._note = widgets.HTML("")
        layout = widgets.Layout(border=BORDER, border_left=MARK, padding="8px 12px", margin="6px 0")
        self.box = widgets.VBox(
            [widgets.HTML(request_html(request, offset=offset)), answers, self._note], layout=layout
        )
        self.box.add_class("toolscript-approval")

    def settled(self, decision: Decision) -> None:
        """Show that the request was decided, and take no more answers."""
        self.wait()
        reason = f": {markup(decision.reason)}" if decision.reason else ""
        said = decided(f"{decision.choice.value} by {decision.by}")
        self._note.value = f"<div>{markup(said)}{reason}</div>"

    def wait(self) -> None:
        """Take no more answers: one was given."""
        for control in (*self._buttons, self._reason):
            control.disabled = True

    def refused(self, message: str) -> None:
        """Show why the answer did not count, and take another."""
        self._note.value = f'<div role="alert">{html.sign("failed")} {markup(message)}</div>'
        for control in (*self._buttons, self._reason):
            control.disabled = False

    def _make_buttons(self, widgets: Any) -> list[Any]:
        request = self.request
        chosen = [(Choice.ALLOW, "Allow once", "success", "Run exactly this, once")]
        if request.classification.remember:
            chosen.append(
                (
                    Choice.ALLOW_CONVERSATION,
                    "Allow for this conversation",
                    "",
                    f"Also allow later: {request.classification.remember}",
                )
            )
        chosen += [
            (Choice.DENY, "Deny", "danger", "Refuse this call; the script goes on and sees the reason"),
            (Choice.DENY_AND_STOP, "Deny and stop", "", "Refuse this call and end the turn"),
        ]
        return [self._button(widgets, *choice) for choice in chosen]

    def _button(self, widgets: Any, choice: Choice, label: str, style: str, tip: str) -> Any:
        button = widgets.Button(
            description=label, button_style=style, tooltip=tip, layout=widgets.Layout(width="auto", flex="0 0 auto")
        )
        button.on_click(lambda _: self._click(choice))
        return button

    def _click(self, choice: Choice) -> None:
        # This may run on a thread of a subshell: it only passes the answer on.
        self._answer(self.request.approval_id, Decision(choice=choice, by=BY, reason=self._reason.value.strip()))


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
