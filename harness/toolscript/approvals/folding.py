"""Decides where a long line is broken on a terminal: between words, and nothing of it is lost or added."""

from __future__ import annotations

import re

from rich.cells import cell_len, chop_cells

NARROWEST = 20
_SEAMS = re.compile(r"[/,;:&|=]")


def folded(line: str, width: int, then: int | None = None) -> list[str]:
    """Return the parts of a line, each at most ``width`` columns wide and those after the first at most ``then``.

    Joined they are the line again. They end behind a blank; within a word only where the word alone is wider than a
    line, and then behind one of ``/ , ; : & | =`` if there is one.
    """
    parts: list[str] = []
    start, room, next_room = 0, max(NARROWEST, width), max(NARROWEST, then or width)
    while (end := _end(line, start, room, next_room)) < len(line):
        parts.append(line[start:end])
        start, room = end, next_room
    return [*parts, line[start:]]


def _end(line: str, start: int, room: int, next_room: int) -> int:
    """Return where the part that begins at ``start`` ends."""
    ahead = line[start : start + room + 1]
    if cell_len(ahead) <= room:
        return start + len(ahead)
    # Where the part must end at the latest: wide characters take two columns.
    latest = start + len(chop_cells(ahead, room)[0])
    blank = line.rfind(" ", start, latest)
    if blank > start and _fits(line, blank + 1, next_room) and line[start:blank].strip():
        return blank + 1
    seam = next((m.end() for m in reversed(list(_SEAMS.finditer(line, start, latest)))), 0)
    return seam if seam - start > room // 2 else latest


def _fits(line: str, at: int, room: int) -> bool:
    """Say whether the word that begins here has room on a line of its own."""
    end = line.find(" ", at, at + room + 1)
    return cell_len(line[at:end] if end >= 0 else line[at : at + room + 1]) <= room
