"""Decides how the record reads as Markdown, on code hosts and in converted notebooks."""

from __future__ import annotations

from toolscript_kernel.record import carets, inert, prose, text, values
from toolscript_kernel.record.outcome import MARKS, seen, word
from toolscript_kernel.record.sheet import Row, ScriptSheet, Sheet
from toolscript_kernel.record.transcript import Call, Failure, Prose


def render(sheet: Sheet) -> str:
    """Return the whole record as Markdown that holds no HTML."""
    blocks = [block for part in sheet.shown if (block := _part(part, sheet.is_turn))]
    if sheet.is_turn and (ending := text.turn_ending(sheet)):
        blocks.append(_literal(ending))
    return "\n\n".join(blocks)


def _part(part: Prose | ScriptSheet | Call | Failure, in_turn: bool) -> str:
    match part:
        case Prose(channel="reasoning"):
            return ""
        case Prose(text=written):
            return prose.to_markdown(written).strip()
        case Call():
            state = "failed" if part.is_error else "succeeded"
            return f"{MARKS[state]} {inert.span(part.name)} {inert.span(part.arguments)}"
        case Failure(error=error):
            return f"{MARKS['failed']} {_literal(carets.title(error))}"
        case ScriptSheet():
            return _script(part, in_turn)


def _script(script: ScriptSheet, in_turn: bool) -> str:
    blocks = [f"{MARKS.get(text.stood(script), '●')} **{text.heading(script)}**"]
    if in_turn:
        blocks.append(inert.fence(script.source.strip("\n"), "ts"))
    if script.operations:
        blocks.append(_table(script.operations))
    blocks += [_diff(row) for row in script.operations if row.diff]
    if in_turn and script.logs:
        blocks.append(inert.fence("\n".join(log.text for log in script.logs)))
    blocks += [f"> {_literal(warning)}" for warning in script.warnings]
    if in_turn and script.error:
        blocks.append(inert.fence("\n".join(carets.report(script.error, script.source))))
    elif in_turn and script.result is not None:
        blocks.append(inert.fence(values.pretty(script.result), "json"))
    return "\n\n".join(blocks)


def _table(rows: tuple[Row, ...]) -> str:
    lines = ["| # | operation | outcome | line |", "| --: | --- | --- | --: |"]
    for row in rows:
        what = " ".join(filter(None, (inert.span(row.tool), inert.span(text.arguments(row)))))
        end = inert.span(row.outcome) or word(row.status)
        end += f", {inert.span(said)}" if (said := text.consented(row)) else ""
        lines.append(f"| {row.number} | {what} | {MARKS[seen(row.status, row.outcome)]} {end} | {row.line or ''} |")
    return "\n".join([*lines, *_nested(rows)])


def _nested(rows: tuple[Row, ...]) -> list[str]:
    lines = []
    for row in rows:
        if row.agent:
            quoted = render(row.agent).replace("\n", "\n> ")
            lines += ["", f"> **agent {inert.span(row.agent.agent)}** (operation {row.number})", ">", f"> {quoted}"]
    return lines


def _diff(row: Row) -> str:
    return f"Changes of operation {row.number}:\n\n{inert.fence(row.diff or '', 'diff')}"


def _literal(value: str) -> str:
    """Return a text as one inline code span: nothing in it is Markdown."""
    return inert.span(inert.one_line(value, 400))
