"""Decides how a person chooses among the effects of a plan: a box for each, then all that is chosen at once."""

from __future__ import annotations

import asyncio
from typing import Any

from toolscript.approvals.plan import ApprovedPlan, Plan, PlanRow
from toolscript.approvals.visible import one_line
from toolscript_kernel.approvals.controls import button, card, row
from toolscript_kernel.front import ipywidgets
from toolscript_kernel.record import html
from toolscript_kernel.record.inert import markup
from toolscript_kernel.record.sheet import Row
from toolscript_kernel.record.text import arguments
from toolscript_kernel.stage import Stage, new_slot

_TEXT = "font-size:13px;line-height:1.5;overflow-wrap:anywhere;white-space:normal"
_VIEW = "application/vnd.jupyter.widget-view+json"


async def choose(plan: Plan, stage: Stage, *, offset: int = 0) -> ApprovedPlan | None:
    """Show a plan and return it with the chosen rows approved; None when it is discarded, or no row chosen."""
    answer: asyncio.Future[frozenset[int] | None] = asyncio.get_running_loop().create_future()

    def answered(rows: frozenset[int] | None) -> None:
        if not answer.done():
            answer.set_result(rows)

    slot = new_slot()
    box = stage.run(lambda: _panel(plan, answered, offset))
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    stage.display({_VIEW: view, "text/plain": plan_text(plan, offset)}, slot=slot)
    taken: frozenset[int] | None = None
    try:
        taken = await answer or frozenset()
    finally:
        stage.run(lambda: setattr(box, "children", (box.children[0],)))
        stage.replace(slot, {"text/html": plan_html(plan, offset, taken), "text/plain": plan_text(plan, offset, taken)})
    return plan.approve(taken, by="widget") if taken else None


def plan_text(plan: Plan, offset: int = 0, chosen: frozenset[int] | None = None) -> str:
    """Return a plan as text; with ``chosen``, which rows were, none of them meaning declined as a whole."""
    lines = [_heading(plan, offset), *([] if chosen is None else [_verdict(plan, chosen)])]
    lines += [
        f"  {_mark(r, chosen)[1]} {r.number} {_what(r)}{_place(r, offset)}{_notes(r)}{_mark(r, chosen)[2]}"
        for r in plan.rows
    ]
    return "\n".join(lines)


def plan_html(plan: Plan, offset: int = 0, chosen: frozenset[int] | None = None) -> str:
    """Return a plan as inert HTML; with ``chosen``, which rows were."""
    verdict = "" if chosen is None else f"<div>{markup(_verdict(plan, chosen))}</div>"
    rows = "".join(f'<li value="{r.number}">{_row_html(r, offset, _mark(r, chosen))}</li>' for r in plan.rows)
    head = f"<b>{html.sign('planned')} {markup(_heading(plan, offset))}</b>"
    return (
        f'<div class="toolscript-record" style="font-size:13px;line-height:1.55">{head}{verdict}<ol>{rows}</ol></div>'
    )


def _verdict(plan: Plan, chosen: frozenset[int]) -> str:
    return f"{len(chosen)} of {len(plan.rows)} chosen by you" if chosen else "declined by you; nothing was done"


def _mark(row: PlanRow, chosen: frozenset[int] | None) -> tuple[str, str, str]:
    """Return the status of a row, its sign, and the word on it once the person has chosen."""
    if chosen is None:
        return "planned", "◇", ""
    return ("succeeded", "✓", " — chosen") if row.number in chosen else ("denied", "⊘", " — not chosen")


def _panel(plan: Plan, answered: Any, offset: int) -> Any:
    widgets = ipywidgets()
    boxes = {r.number: _box(widgets, r) for r in plan.rows}
    lines = [
        widgets.HBox(
            [
                boxes[r.number],
                widgets.HTML(f'<div style="{_TEXT}">{_row_html(r, offset)}</div>', layout=_wide(widgets)),
            ],
            layout=widgets.Layout(align_items="baseline"),
        )
        for r in plan.rows
    ]
    head = widgets.HTML(f"<b>{html.sign('planned')} {markup(_heading(plan, offset))}</b>")
    run = button(
        "Run what is chosen", lambda: answered(frozenset(n for n, box in boxes.items() if box.value)), style="success"
    )
    return card(head, *lines, row(run, button("Discard", lambda: answered(None))), name="toolscript-plan")


def _wide(widgets: Any) -> Any:
    return widgets.Layout(flex="1 1 0", min_width="0")


def _box(widgets: Any, row: PlanRow) -> Any:
    return widgets.Checkbox(
        value=not (row.waits or row.denied), disabled=bool(row.denied), indent=False,
        description=f"#{row.number}", layout=widgets.Layout(width="4em", flex="0 0 auto"),
        description_allow_html=False, tooltip=f"carry out #{row.number}",
    )  # fmt: skip


def _row_html(row: PlanRow, offset: int, mark: tuple[str, str, str] | None = None) -> str:
    sign, word = (f"{html.sign(mark[0])} ", mark[2]) if mark else ("", "")
    aside = f'<small style="opacity:.75">{markup(_place(row, offset) + _notes(row) + word)}</small>'
    shown = f"{sign}{markup(_what(row))}{aside}"
    if not row.diff:
        return shown
    return f'<details><summary style="cursor:pointer">{shown}</summary>{html.diff(row.diff)}</details>'


def _heading(plan: Plan, offset: int) -> str:
    end = f", up to line {plan.line + offset}" if plan.line is not None else ""
    return f"plan: {len(plan.rows)} effect{'' if len(plan.rows) == 1 else 's'} ({plan.status}{end})"


def _what(row: PlanRow) -> str:
    asked = Row(number=row.number, tool=row.tool, arguments=row.arguments, status="planned")
    return one_line(f"{row.tool}: {row.summary or arguments(asked, 300)}")


def _place(row: PlanRow, offset: int) -> str:
    return f"  (line {row.line + offset})" if row.line is not None else ""


def _notes(row: PlanRow) -> str:
    notes = [f"denied: {row.denied}"] if row.denied else []
    notes += [f"asks: {row.asks}"] if row.asks else []
    notes += ["the dry run could not go on from here"] if row.waits else []
    notes += [f"assumes that #{', #'.join(map(str, row.assumes))} succeeds"] if row.assumes else []
    notes += [] if row.undoable else ["cannot be undone"]
    return f" — {'; '.join(notes)}" if notes else ""
