"""Decides how a change of one file is shown to a person: a unified diff, in bounded time."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

CONTEXT = 3
MATCHED_LINES = 2000
"""Above so many differing lines the whole block is shown as replaced: comparing takes time with their square."""


def unified(name: str, before: bytes | None, after: bytes) -> str:
    """Return the unified diff of a file's contents; ``before`` None means that the file is new.

    Contents that are not UTF-8 text are told apart by their sizes only. No change gives an empty text.
    """
    if before == after:
        return ""
    old, new = _text(before or b""), _text(after)
    head = [f"--- {'/dev/null' if before is None else name}", f"+++ {name}"]
    if old is None or new is None:
        return "\n".join([*head, f"Binary content: {len(before or b'')} bytes become {len(after)} bytes"])
    return "\n".join([*head, *_hunks(_lines(old), _lines(new))])


def _text(data: bytes) -> str | None:
    try:
        return None if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return None


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[-1] == "":
        return lines[:-1]
    return [*lines[:-1], f"{lines[-1]}\n\\ No newline at end of file"]


def _hunks(old: list[str], new: list[str]) -> Iterator[str]:
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    tail = 0
    while tail < min(len(old), len(new)) - same and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    start, stop = max(0, same - CONTEXT), max(0, tail - CONTEXT)
    old_part, new_part = old[start : len(old) - stop], new[start : len(new) - stop]
    if max(len(old_part), len(new_part)) <= MATCHED_LINES:
        yield from _shifted(difflib.unified_diff(old_part, new_part, n=CONTEXT, lineterm=""), start)
        return
    before, behind = old[start:same], old[len(old) - tail : len(old) - stop]
    yield f"@@ -{start + 1},{len(old_part)} +{start + 1},{len(new_part)} @@"
    yield from (f" {line}" for line in before)
    yield from (f"-{line}" for line in old[same : len(old) - tail])
    yield from (f"+{line}" for line in new[same : len(new) - tail])
    yield from (f" {line}" for line in behind)


def _shifted(diff: Iterator[str], start: int) -> Iterator[str]:
    """Yield the lines of a diff of two parts with their numbers moved to where the parts began."""
    for number, line in enumerate(diff):
        if number < 2:
            continue
        yield _moved(line, start) if line.startswith("@@") else line


def _moved(header: str, start: int) -> str:
    _, old, new, _ = header.split(" ", 3)
    return f"@@ {_range(old, start)} {_range(new, start)} @@"


def _range(text: str, start: int) -> str:
    sign, numbers = text[0], text[1:].split(",")
    return ",".join([f"{sign}{int(numbers[0]) + start}", *numbers[1:]])
