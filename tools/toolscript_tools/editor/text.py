"""Decides what the editor's commands do to a text, and which part of it they show afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from toolscript.errors import ToolError

AROUND = 4
"""Lines shown before and after an edit."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Part of a text: its lines joined by LF, and the number of the first."""

    text: str
    first_line: int = 1


@dataclass(frozen=True, slots=True)
class Edited:
    """A text after an edit, and the lines around the edit."""

    text: str
    snippet: Shown


def refused(message: str, code: str = "invalid_arguments", **details: object) -> ToolError:
    """Return the editor's error; the messages are those that models were trained on."""
    return ToolError(message, tool="strReplaceEditor", code=code, details=dict(details))


def viewed(text: str, view_range: list[int] | None) -> Shown:
    """Return the lines asked for, counted from 1, both ends included, -1 for the end; all lines without a range.

    A final newline counts as one more, empty line. Raises ToolError for a range that does not fit.
    """
    if view_range is None:
        return Shown(text)
    if len(view_range) != 2:
        raise refused("Invalid `view_range`. It should be a list of two integers.")
    lines = text.split("\n")
    first, last = view_range
    invalid = f"Invalid `view_range`: {view_range}. "
    if not 1 <= first <= len(lines):
        within = f"should be within the range of lines of the file: {[1, len(lines)]}"
        raise refused(f"{invalid}Its first element `{first}` {within}")
    if last > len(lines):
        below = f"should be smaller than the number of lines in the file: `{len(lines)}`"
        raise refused(f"{invalid}Its second element `{last}` {below}")
    if last != -1 and last < first:
        raise refused(f"{invalid}Its second element `{last}` should be larger or equal than its first `{first}`")
    return Shown("\n".join(lines[first - 1 : None if last == -1 else last]), first)


def replaced(text: str, old: str, new: str, path: str) -> Edited:
    """Return the text with its one occurrence of ``old`` replaced, both taken literally.

    Raises ToolError unless there is exactly one.
    """
    if not old:
        raise refused("No replacement was performed, old_str is empty. Use `insert` to add text.", "no_match")
    count = text.count(old)
    if count == 0:
        hint = ""
        if "\n" in old and "\r" not in old and "\r\n" in text:
            hint = " Lines of this file end with \\r\\n."
        message = f"No replacement was performed, old_str `{old}` did not appear verbatim in {path}.{hint}"
        raise refused(message, "no_match")
    if count > 1:
        lines = _lines_of(text, old)
        raise refused(
            f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines {lines}. "
            "Please ensure it is unique",
            "several_matches",
            lines=lines,
        )
    line = text.count("\n", 0, text.index(old))
    after = text.replace(old, new, 1)
    start = max(0, line - AROUND)
    shown = after.split("\n")[start : line + AROUND + new.count("\n") + 1]
    return Edited(after, Shown("\n".join(shown), start + 1))


def inserted(text: str, line: int, new: str) -> Edited:
    """Return the text with ``new`` as lines of its own after line number ``line``; 0 is the beginning.

    The new lines end as the file's first line does. Raises ToolError for a line that the text does not have.
    """
    lines = text.split("\n")
    if not 0 <= line <= len(lines):
        within = f"It should be within the range of lines of the file: {[0, len(lines)]}"
        raise refused(f"Invalid `insert_line` parameter: {line}. {within}")
    added = new.split("\n")
    carriage = "\r" if len(lines) > 1 and lines[0].endswith("\r") else ""
    ended = [part if part.endswith("\r") else part + carriage for part in added]
    before, after = lines[:line], lines[line:]
    if not after:
        # The text's last line had no ending and gets one; the new last line has none.
        ended[-1] = added[-1]
        before = [*before[:-1], before[-1] + carriage]
    shown = [*lines[max(0, line - AROUND) : line], *added, *lines[line : line + AROUND]]
    return Edited("\n".join([*before, *ended, *after]), Shown("\n".join(shown), max(1, line - AROUND + 1)))


def _lines_of(text: str, old: str) -> list[int]:
    found: list[int] = []
    line, reached = 1, 0
    position = text.find(old)
    while position >= 0:
        line += text.count("\n", reached, position)
        if not found or found[-1] != line:
            found.append(line)
        reached = position
        position = text.find(old, position + len(old))
    return found
