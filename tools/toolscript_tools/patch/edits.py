"""Decides how a change to a list of lines is described: edits in order, and how they are found between two texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile

_COMPARABLE = 250_000
"""Product of the two lengths up to which lines are compared one by one; beyond, a run counts as replaced whole."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace ``count`` lines from ``start`` by ``lines``, which carry their endings."""

    start: int
    count: int
    lines: tuple[bytes, ...]


def spliced(lines: Sequence[bytes], edits: Sequence[Edit]) -> list[bytes]:
    """Return the lines after the edits, which are in order and do not overlap."""
    result: list[bytes] = []
    reached = 0
    for edit in edits:
        result.extend(lines[reached : edit.start])
        result.extend(edit.lines)
        reached = edit.start + edit.count
    result.extend(lines[reached:])
    return result


def between(old: Sequence[bytes], new: Sequence[bytes]) -> list[Edit]:
    """Return edits that turn one list of lines into the other; the cost stays linear, large middles are not split."""
    return refined(old, [Edit(0, len(old), tuple(new))])


def refined(old: Sequence[bytes], edits: Sequence[Edit]) -> list[Edit]:
    """Return the same change in smaller edits: lines that an edit replaces by themselves are left out of it."""
    return [small for edit in edits for small in _split(old, edit)]


def _split(old: Sequence[bytes], edit: Edit) -> list[Edit]:
    before, after = list(old[edit.start : edit.start + edit.count]), list(edit.lines)
    head = _shared(before, after)
    before, after = before[head:], after[head:]
    tail = _shared(before[::-1], after[::-1])
    before, after = before[: len(before) - tail], after[: len(after) - tail]
    start = edit.start + head
    if not before and not after:
        return []
    if len(before) * len(after) > _COMPARABLE:
        return [Edit(start, len(before), tuple(after))]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return [
        Edit(start + i1, i2 - i1, tuple(after[j1:j2]))
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
    ]


def _shared(one: list[bytes], other: list[bytes]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
