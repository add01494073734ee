"""Decides which place of the author's text is meant by a line and column that the engine reports."""

from __future__ import annotations

from toolscript.errors import Position
from toolscript.language._edits import MARK


def author_position(prepared: str, line: int, column: int) -> Position:
    """Return the author's place for an engine's line and column in blanked source, both counted from 1.

    The engine counts columns in bytes of UTF-8; ours count characters. A ``return`` that ``blank`` had to put into a
    line is not counted. Lines that do not exist are given back as they are.
    """
    lines = prepared.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not 1 <= line <= len(lines) or column < 1:
        return Position(line, column)
    text = lines[line - 1]
    before = text.encode()[: column - 1].decode("utf-8", "ignore")
    characters = len(before) + max(0, column - 1 - len(text.encode()))
    inserted = f"return{MARK}"
    at = text.find(inserted)
    if 0 <= at < characters:
        characters -= min(len(inserted), characters - at)
    return Position(line, characters + 1)
