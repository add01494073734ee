"""Decides what a line and a column are, and which place of the author's text an engine's report means.

LF and CR LF end lines. Columns count characters (code points), both from 1.
"""

from __future__ import annotations

from toolscript.errors import Position

RETURN = "return\u2006"
"""How ``blank`` spells a ``return`` that moves the rest of its line; the rare space makes it known again."""


def position_at(text: str, offset: int) -> Position:
    """Return the place of a character offset."""
    return Position(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def place(source: bytes, offset: int) -> Position:
    """Return the place of a byte offset in UTF-8."""
    before = source[:offset].decode("utf-8", "replace")
    return position_at(before, len(before))


def author_position(prepared: str, line: int, column: int) -> Position:
    """Return the author's place for an engine's line and column in blanked source.

    The engine counts columns in bytes of UTF-8. A ``return`` that ``blank`` had to put into a line is not counted.
    Places outside the source are given back as they are.
    """
    lines = prepared.split("\n")
    if not 1 <= line <= len(lines) or column < 1:
        return Position(line, column)
    text = lines[line - 1]
    encoded = text.encode()
    before = encoded[: column - 1].decode("utf-8", "ignore")
    characters = len(before) + max(0, column - 1 - len(encoded))
    at = text.find(RETURN)
    if 0 <= at < characters:
        characters -= min(len(RETURN), characters - at)
    return Position(line, characters + 1)
