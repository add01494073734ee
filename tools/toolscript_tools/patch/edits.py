"""Decides how a change to a list of lines is described: edits in order, and how they are found between two texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

STEPS = 250_000
"""Comparisons that go into making one description smaller; what is left then counts as replaced whole."""


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
    """Return edits that turn one list of lines into the other; very different large texts are not split."""
    return refined(old, [Edit(0, len(old), tuple(new))])


def refined(old: Sequence[bytes], edits: Sequence[Edit], *, steps: int = STEPS) -> list[Edit]:
    """Return the same change in smaller edits: lines that an edit replaces by themselves are left out of it.

    The work is linear in the lines, and ``steps`` at most beyond that.
    """
    budget = _Budget(steps)
    return [small for edit in edits for small in _split(old, edit, budget)]


class _Spent(Exception):
    pass


class _Budget:
    def __init__(self, steps: int) -> None:
        self._left = steps

    def take(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise _Spent


def _split(old: Sequence[bytes], edit: Edit, budget: _Budget) -> list[Edit]:
    before, after = list(old[edit.start : edit.start + edit.count]), list(edit.lines)
    head = _shared(before, after)
    before, after = before[head:], after[head:]
    tail = _shared(before[::-1], after[::-1])
    before, after = before[: len(before) - tail], after[: len(after) - tail]
    start = edit.start + head
    if not before and not after:
        return []
    try:
        kept = _kept(before, after, budget) if before and after else []
    except _Spent:
        kept = []
    return _around(kept, start, len(before), after)


def _shared(one: list[bytes], other: list[bytes]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _around(kept: list[tuple[int, int]], start: int, count: int, after: list[bytes]) -> list[Edit]:
    edits = []
    i = j = 0
    for next_i, next_j in (*kept, (count, len(after))):
        if next_i > i or next_j > j:
            edits.append(Edit(start + i, next_i - i, tuple(after[j:next_j])))
        i, j = next_i + 1, next_j + 1
    return edits


def _kept(before: list[bytes], after: list[bytes], budget: _Budget) -> list[tuple[int, int]]:
    """Return the pairs of equal lines on a shortest way from one to the other (Myers, 1986)."""
    # Small numbers, so that long lines are compared once and not at every step.
    numbers: dict[bytes, int] = {}
    one = [numbers.setdefault(line, len(numbers)) for line in before]
    other = [numbers.setdefault(line, len(numbers)) for line in after]
    furthest = {1: 0}
    trace: list[dict[int, int]] = []
    for distance in range(len(one) + len(other) + 1):
        budget.take(2 * distance + 1)
        trace.append(dict(furthest))
        for diagonal in range(-distance, distance + 1, 2):
            x = _step(furthest, diagonal, distance)
            begin = x
            while x < len(one) and x - diagonal < len(other) and one[x] == other[x - diagonal]:
                x += 1
            budget.take(x - begin)
            furthest[diagonal] = x
            if x >= len(one) and x - diagonal >= len(other):
                return _backwards(trace, len(one), len(other))
    raise AssertionError("the longest way is long enough")


def _step(furthest: dict[int, int], diagonal: int, distance: int) -> int:
    before = _before(furthest, diagonal, distance)
    return furthest[before] + (1 if before < diagonal else 0)


def _before(furthest: dict[int, int], diagonal: int, distance: int) -> int:
    down = diagonal == -distance or (diagonal != distance and furthest[diagonal - 1] < furthest[diagonal + 1])
    return diagonal + 1 if down else diagonal - 1


def _backwards(trace: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    kept = []
    for distance in range(len(trace) - 1, 0, -1):
        before = _before(trace[distance], x - y, distance)
        start = trace[distance][before]
        while x > start and y > start - before:
            x, y = x - 1, y - 1
            kept.append((x, y))
        x, y = start, start - before
    # What is left is the common beginning.
    kept.extend((at, at) for at in range(x - 1, -1, -1))
    return kept[::-1]
