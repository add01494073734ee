"""Decides how the record reads as plain text, in terminals and wherever nothing richer is shown."""

from __future__ import annotations

import re

from toolscript_kernel.record import carets, inert, values
from toolscript_kernel.record.outcome import MARKS, decided, seen, word
from toolscript_kernel.record.sheet import Row, ScriptSheet, Sheet
from toolscript_kernel.record.transcript import Call, Failure, Prose

_PATCHED = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+?)\s*$", re.MULTILINE)


def render(sheet: Sheet) -> str:
    """Return the whole record as text."""
    blocks = [block for part in sheet.shown if (block := _part(part, sheet.is_turn))]
    if sheet.is_turn and (ending := turn_ending(sheet)):
        blocks.append(ending)
    return "\n\n".join(blocks)


def turn_ending(sheet: Sheet) -> str:
    """Return one line on a turn that did not simply complete, or nothing."""
    if sheet.status in (None, "completed"):
        return ""
    mark = MARKS.get(sheet.status or "", "")
    return inert.one_line(f"{mark} turn {sheet.status}{f': {sheet.reason}' if sheet.reason else ''}", 400)


def heading(script: ScriptSheet) -> str:
    """Return ``script completed · 3 operations``."""
    count = len(script.operations)
    operations = f"{count} operation{'' if count == 1 else 's'}" if count else ""
    mode = {"off": "shown, not run", "dry-run": "dry run"}.get(script.mode, "")
    return " · ".join(filter(None, (f"script {stood(script)}", mode, operations)))


def stood(script: ScriptSheet) -> str:
    """Return the status that people see: what a dry run brought to its end is planned, not done."""
    return "planned" if script.mode == "dry-run" and script.status == "completed" else script.status


def script(it: ScriptSheet, in_turn: bool) -> str:
    """Return one run: its heading and operations, within a turn also its console and ending."""
    lines = [f"{MARKS.get(stood(it), '●')} {heading(it)}"]
    lines += [line for row in it.operations for line in _row(row)]
    if in_turn:
        lines += [f"  | {line}" for log in it.logs for line in inert.text(log.text).split("\n")]
    lines += [f"  ! {inert.one_line(warning, 300)}" for warning in it.warnings]
    if in_turn and it.error:
        lines += [f"  {line}" for line in carets.report(it.error, it.source)]
    elif in_turn and it.result is not None:
        lines += [f"  {'◇' if stood(it) == 'planned' else '='} " + values.pretty(it.result).replace("\n", "\n    ")]
    return "\n".join(lines)


def arguments(row: Row, width: int = 100) -> str:
    """Return the arguments as short as they can be read: a lone text as it is, a command as typed."""
    return inert.one_line(_spoken(row.arguments), width)


def consented(row: Row) -> str:
    """Return who decided what on the operation; of an edited one also what the script had asked for.

    A denied operation says so by its outcome.
    """
    if row.status == "denied" and row.approval.startswith("deny by"):
        return ""
    if row.asked_arguments is None:
        return decided(row.approval)
    return f"{decided(row.approval)}, the script asked for: {inert.one_line(_spoken(row.asked_arguments), 100)}"


def _spoken(given: object) -> str:
    if not isinstance(given, dict):
        return values.compact(given, 1_000)
    if isinstance(command := given.get("command"), list) and command:
        rest = {k: v for k, v in given.items() if k != "command"}
        words = " ".join(str(w) if w and " " not in str(w) else repr(str(w)) for w in command)
        return f"{words}  {values.compact(rest, 200)}" if rest else words
    if len(given) == 1 and isinstance(only := next(iter(given.values())), str):
        return ", ".join(_PATCHED.findall(only)) or only.strip()
    return ", ".join(f"{k}: {values.compact(v, 200)}" for k, v in given.items())


def _part(part: Prose | ScriptSheet | Call | Failure, in_turn: bool) -> str:
    match part:
        case Prose(channel="reasoning"):
            return ""
        case Prose(text=text):
            return inert.text(text).strip()
        case Call():
            state = "failed" if part.is_error else "succeeded"
            return f"{MARKS[state]} {inert.one_line(part.name)} {inert.one_line(part.arguments)}"
        case Failure(error=error):
            return f"{MARKS['failed']} {carets.title(error)}"
        case ScriptSheet():
            return script(part, in_turn)


def _row(row: Row) -> list[str]:
    place = f"  (line {row.line})" if row.line else ""
    mark = MARKS[seen(row.status, row.outcome)]
    consent = f"  [{said}]" if (said := consented(row)) else ""
    lines = [f"  {mark} {row.number} {inert.one_line(row.tool, 60)} {arguments(row)} → {_end(row)}{consent}{place}"]
    if row.agent:
        lines += [f"    {line}" for line in render(row.agent).split("\n")]
    return lines


def _end(row: Row) -> str:
    return inert.one_line(row.outcome, 200) or word(row.status)
