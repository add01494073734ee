"""Decides how the record looks as HTML without scripts, styles sheets or remote parts, on light and dark pages."""

from __future__ import annotations

from toolscript_kernel.record import carets, code, inert, prose, text, values
from toolscript_kernel.record.inert import markup
from toolscript_kernel.record.outcome import MARKS, seen, word
from toolscript_kernel.record.sheet import Row, ScriptSheet, Sheet
from toolscript_kernel.record.transcript import Call, Failure, Prose

# The page's own colours show through: every tint is translucent, and text keeps the page's colour.
_LINE = "1px solid rgba(128,128,128,.3)"
_MUTED = "opacity:.72"
_CELL = f"padding:3px 10px 3px 0;text-align:left;vertical-align:top;border:0;border-top:{_LINE};overflow-wrap:anywhere"
_HEAD = f"padding:3px 10px 3px 0;text-align:left;font-weight:500;{_MUTED}"
_TABLE = (
    "border-collapse:collapse;border:0;table-layout:fixed;width:100%;min-width:26em;margin:4px 0;"
    "font-size:12px;color:inherit;background:transparent"
)
_PRE = (
    "font-size:12px;line-height:1.5;margin:6px 0;padding:8px 10px;overflow-x:auto;"
    "background:rgba(128,128,128,.1);border-radius:4px"
)
_BOX = f"margin:8px 0;padding:6px 12px;border:{_LINE};border-radius:6px"
_MONO = "font-family:var(--jp-code-font-family,ui-monospace,SFMono-Regular,Menlo,Consolas,monospace)"
_BARE = f"{_MONO};background:transparent;padding:0;overflow-wrap:anywhere"
_IMAGE = "display:block;max-width:100%;max-height:480px;margin:6px 0"
_GREEN, _RED, _AMBER, _GREY, _BLUE = "#2a9d57", "#dc5148", "#b7791f", "#808590", "#3b82d6"
COLOURS = {
    "succeeded": _GREEN, "completed": _GREEN, "failed": _RED, "denied": _AMBER, "awaiting_approval": _AMBER,
    "running": _BLUE, "planned": _BLUE,
}  # fmt: skip


def render(sheet: Sheet) -> str:
    """Return the whole record as one HTML element that is safe on any page."""
    # The classes keep a page's mathematics typesetter from reading dollar signs in a script's output.
    return (
        '<div class="toolscript-record tex2jax_ignore mathjax_ignore" '
        f'style="font-size:13px;line-height:1.55;max-width:960px">{_inner(sheet)}</div>'
    )


def _inner(sheet: Sheet) -> str:
    parts = "".join(_part(part, sheet.is_turn) for part in sheet.shown)
    ending = text.turn_ending(sheet) if sheet.is_turn else ""
    return parts + (f'<p style="margin:6px 0">{markup(ending)}</p>' if ending else "")


def _part(part: Prose | ScriptSheet | Call | Failure, in_turn: bool) -> str:
    match part:
        case Prose(channel="reasoning"):
            body = prose.to_html(part.text)
            return _details("Reasoning", f'<div style="{_MUTED}">{body}</div>')
        case Prose(text=written):
            return f'<div style="margin:4px 0">{prose.to_html(written)}</div>' if written.strip() else ""
        case Call():
            return _call(part)
        case Failure(error=error):
            return f'<p style="margin:6px 0">{sign("failed")} {markup(carets.title(error))}</p>'
        case ScriptSheet():
            return script(part, in_turn)


def script(it: ScriptSheet, in_turn: bool) -> str:
    """Return one run: its heading, operations, and within a turn its source, console and result."""
    body = [_heading(it)]
    if in_turn:
        body.append(_details("Script", code.block(it.source, _PRE, failed=_failed_line(it))))
    if it.operations:
        body.append(_table(it.operations))
    body += [_warning(w) for w in it.warnings]
    if in_turn:
        body += [_console(it), _ending(it)]
    return f'<div style="{_BOX}">{"".join(body)}</div>'


def sign(status: str) -> str:
    """Return the coloured sign of a status; its word stands beside it for those who do not see it."""
    colour = COLOURS.get(status, _GREY)
    return f'<span aria-hidden="true" style="color:{colour};font-weight:700">{MARKS.get(status, "●")}</span>'


def pre(value: str) -> str:
    """Return text as it is, in a box that scrolls."""
    return f'<pre style="{_PRE};{_MONO}">{markup(value)}</pre>'


def diff(value: str) -> str:
    """Return a unified diff with its added and removed lines tinted."""
    rows = []
    for line in value.rstrip("\n").split("\n"):
        tint = _tint(line)
        style = f' style="display:block;background:{tint}"' if tint else ' style="display:block"'
        rows.append(f"<span{style}>{markup(line) or ' '}</span>")
    return f'<pre style="{_PRE};{_MONO}">{"".join(rows)}</pre>'


def _heading(it: ScriptSheet) -> str:
    status = text.stood(it)
    status = status if status in COLOURS or status in MARKS else "running"
    return f"<div>{sign(status)} <b>{markup(text.heading(it))}</b></div>"


def _table(rows: tuple[Row, ...]) -> str:
    head = "".join(
        f'<th scope="col" style="{_HEAD};width:{width}">{name}</th>'
        for name, width in (("#", "2em"), ("operation", "auto"), ("outcome", "36%"), ("line", "3em"))
    )
    body = "".join(_row(row) for row in rows)
    top = f'<thead><tr style="background:transparent">{head}</tr></thead>'
    table = f'<table style="{_TABLE}">{top}<tbody>{body}</tbody></table>'
    return f'<div style="overflow-x:auto" role="region" aria-label="Operations" tabindex="0">{table}</div>'


def _row(row: Row) -> str:
    cells = (
        str(row.number),
        _what(row),
        f"{sign(seen(row.status, row.outcome))} {markup(row.outcome or word(row.status))}{_by(row)}",
        str(row.line or ""),
    )
    return f'<tr style="background:transparent">{"".join(f"<td style={_CELL!r}>{cell}</td>" for cell in cells)}</tr>'


def _what(row: Row) -> str:
    shown = _code(row.tool, bold=True) + " " + _code(text.arguments(row))
    more = diff(row.diff) if row.diff else _long_arguments(row)
    if row.image:
        more += f'<img src="{row.image}" alt="{markup(text.arguments(row))}" style="{_IMAGE}">'
    if row.agent:
        more += f'<div style="border-left:3px solid rgba(128,128,128,.3);padding-left:10px">{_inner(row.agent)}</div>'
    # Who showed a picture wants it seen.
    opened = " open" if row.image else ""
    return f'<details{opened}><summary style="cursor:pointer">{shown}</summary>{more}</details>' if more else shown


def _long_arguments(row: Row) -> str:
    whole = values.pretty(row.arguments)
    return pre(whole) if len(values.compact(row.arguments, 10_000)) > 100 else ""


def _by(row: Row) -> str:
    return f'<br><span style="{_MUTED}">{markup(said)}</span>' if (said := text.consented(row)) else ""


def _console(it: ScriptSheet) -> str:
    if not it.logs:
        return ""
    return _titled("Console", pre("\n".join(log.text for log in it.logs)))


def _ending(it: ScriptSheet) -> str:
    if it.error:
        return pre("\n".join(carets.report(it.error, it.source)))
    title = "Result (planned)" if text.stood(it) == "planned" else "Result"
    return _titled(title, pre(values.pretty(it.result))) if it.result is not None else ""


def _failed_line(it: ScriptSheet) -> int | None:
    line = (it.error or {}).get("line")
    return line if isinstance(line, int) else None


def _warning(warning: str) -> str:
    return f'<div style="margin:4px 0">{sign("awaiting_approval")} {markup(warning)}</div>'


def _call(part: Call) -> str:
    status = "failed" if part.is_error else "succeeded"
    arguments = inert.one_line(part.arguments, 200)
    return f'<div style="margin:4px 0">{sign(status)} {_code(part.name, bold=True)} {_code(arguments)}</div>'


def _code(value: str, *, bold: bool = False) -> str:
    weight = ";font-weight:600" if bold else ""
    style = f"{_MONO};background:transparent;padding:0;overflow-wrap:anywhere{weight}"
    return f'<code style="{style}">{markup(value)}</code>' if value else ""


def _titled(name: str, body: str) -> str:
    return f'<div style="margin-top:6px;font-size:12px;{_MUTED}">{name}</div>{body}'


def _details(summary: str, body: str) -> str:
    style = f"cursor:pointer;font-size:12px;{_MUTED}"
    return f'<details style="margin:4px 0"><summary style="{style}">{summary}</summary>{body}</details>'


def _tint(line: str) -> str:
    if line.startswith("+") and not line.startswith("+++"):
        return "rgba(46,160,67,.18)"
    if line.startswith("-") and not line.startswith("---"):
        return "rgba(248,81,73,.18)"
    return ""
