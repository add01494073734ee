"""Decides how an error points at the user's own line."""

from __future__ import annotations

import re

from toolscript.errors import Json
from toolscript_kernel.record import inert

_PLACE = re.compile(r"\Aline (\d{1,9}):")
AROUND = 2
"""Lines of source shown before the one at fault."""


def title(error: dict[str, Json]) -> str:
    """Return ``name: message`` as one text, without saying the name twice."""
    # The place is said once, as the cell counts its lines.
    place = f" (line {error.get('line')}, column {error.get('column')})"
    name, message = label(error), str(error.get("message", "")).replace(place, "")
    return inert.text(message if message.startswith(f"{name}:") or message == name else f"{name}: {message}")


def label(error: dict[str, Json]) -> str:
    """Return the name to show: the script's own error class where a script threw, else ours."""
    details = error.get("details")
    if error.get("name") == "ScriptThrew" and isinstance(details, dict) and details.get("name"):
        return inert.one_line(str(details["name"]), 80)
    message = str(error.get("message", ""))
    head = message.split(":", 1)[0]
    if error.get("name") == "ScriptThrew" and head.isidentifier():
        return head
    return inert.one_line(str(error.get("name") or error.get("code") or "Error"), 80)


def excerpt(source: str, line: int | None, column: int | None = None, *, offset: int = 0) -> list[str]:
    """Return the lines around ``line`` of the source, numbered as in the cell, with a caret under the column.

    ``line`` counts from 1 within the source; ``offset`` is added to the numbers shown. No line gives nothing.
    """
    lines = source.split("\n")
    if line is None or not 1 <= line <= len(lines):
        return []
    width = len(str(line + offset))
    shown = []
    for number in range(max(1, line - AROUND), line + 1):
        pointer = ">" if number == line else " "
        shown.append(f"{pointer} {number + offset:>{width}} | {_flat(lines[number - 1])}")
    if column is not None and column >= 1:
        before = _flat(lines[line - 1][: column - 1])
        shown.append(f"  {'':>{width}} | {' ' * len(before)}^")
    return shown


def report(error: dict[str, Json], source: str, *, offset: int = 0) -> list[str]:
    """Return the error as lines for a traceback: what, where, the user's line, and the cause if there is one.

    The error's own lines count from 1 within the source.
    """
    line, column = error.get("line"), error.get("column")
    lines = title(error).split("\n")
    where = excerpt(source, line, column, offset=offset)
    if where and line is not None:
        place = f"line {line + offset}" + (f", column {column}" if column else "")
        lines += [f"  at {place} of the cell" if offset else f"  at {place}", "", *where]
    return lines


def warning(text: str, *, offset: int = 0) -> str:
    """Return a warning that begins with a line of the script, numbered as in the cell."""
    return _PLACE.sub(lambda place: f"line {int(place[1]) + offset}:", text)


def _flat(line: str) -> str:
    return inert.text(line.rstrip("\r").replace("\t", "    ").replace("\n", " "))
