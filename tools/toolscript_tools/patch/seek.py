"""Decides where in a file a block of lines is found: four passes, each looser than the one before.

A pass looks at every position before the next pass begins, so a patch with many blocks would read a large file
once for each. Two facts keep the work linear in file and patch together. What a stricter pass finds, a looser one
finds too, and the cursor only moves forward: a forward scan that ends in a hit is paid for by the cursor. So all
that must be known beforehand is whether a hit lies ahead, which is whether the block's *last* occurrence does;
one sweep of an Aho-Corasick automaton tells that for all blocks at once.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence

from toolscript_tools.patch.text import PASSES, Key

Block = tuple[bytes, ...]


class Seeker:
    """Finds blocks of lines in one file. All blocks that will be sought without ``end_of_file`` are named first.

    ``lines`` carry no endings. ``steps`` counts the lines looked at, for tests of linearity.
    """

    def __init__(self, lines: Sequence[bytes], blocks: Sequence[Block]) -> None:
        self.steps = 0
        self._lines = lines
        self._blocks = blocks
        self._passes: list[_Pass] = []

    def find(self, block: Block, start: int) -> int | None:
        """Return the first position at or after ``start`` where the block stands, in the strictest pass that has one.

        An empty block stands at ``start``, even beyond the end.
        """
        if not block:
            return start
        for number in range(len(PASSES)):
            view = self._pass(number)
            if view.last_start(block) >= start:
                position, steps = view.first(block, start)
                self.steps += steps
                return position
        return None

    def find_at_end(self, block: Block, start: int) -> int | None:
        """Return where the block stands if the file ends with it, at or after ``start``; nothing else is searched."""
        if not block:
            return start
        position = len(self._lines) - len(block)
        if position < start or position < 0:
            return None
        tail = self._lines[position:]
        for key in PASSES:
            self.steps += len(block)
            if all(key(have) == key(want) for have, want in zip(tail, block, strict=True)):
                return position
        return None

    def _pass(self, number: int) -> _Pass:
        if number == len(self._passes):
            view = _Pass(self._lines, self._blocks, PASSES[number])
            self.steps += view.steps
            self._passes.append(view)
        return self._passes[number]


def seek(lines: Sequence[str], block: Sequence[str], start: int, *, end_of_file: bool, preserve: bool) -> int | None:
    """Return where the block stands in the lines, or None; the search for one block in one file.

    With ``end_of_file`` only the end is looked at; ``preserve`` then still respects ``start``.
    """
    wanted = tuple(line.encode() for line in block)
    seeker = Seeker([line.encode() for line in lines], [wanted])
    if end_of_file and wanted:
        return seeker.find_at_end(wanted, start if preserve else 0)
    return seeker.find(wanted, start)


class _Pass:
    """The file as one pass sees it: each line that occurs in some block is a small number, all others are gaps."""

    def __init__(self, lines: Sequence[bytes], blocks: Sequence[Block], key: Key) -> None:
        codes: dict[bytes, int] = {}
        self._key = key
        self._codes = codes
        self._blocks = {block: self._coded(block) for block in blocks if block}
        self._spots = array("q")
        self._found = array("q")
        for spot, line in enumerate(lines):
            if (code := codes.get(key(line))) is not None:
                self._spots.append(spot)
                self._found.append(code)
        automaton = _Automaton(list(self._blocks.values()), len(codes))
        self._last = automaton.last_ends(self._spots, self._found)
        self.steps = len(lines) + 2 * len(self._spots) + automaton.size

    def last_start(self, block: Block) -> int:
        """Return the last position of the block, -1 if it stands nowhere."""
        coded = self._blocks[block]
        end = self._last[coded]
        return -1 if end < 0 else end - len(coded) + 1

    def first(self, block: Block, start: int) -> tuple[int, int]:
        """Return the first position from ``start``, where one is known to be, and how many lines were looked at."""
        coded = self._blocks[block]
        borders = _borders(coded)
        spots, found = self._spots, self._found
        matched, expected = 0, -1
        begin = bisect_left(spots, start)
        for index in range(begin, len(spots)):
            spot = spots[index]
            if spot != expected:
                matched = 0
            while matched and found[index] != coded[matched]:
                matched = borders[matched - 1]
            if found[index] == coded[matched]:
                matched += 1
            if matched == len(coded):
                return spot - matched + 1, 2 * (index - begin + 1) + len(coded)
            expected = spot + 1
        raise AssertionError("the block was known to stand ahead")

    def _coded(self, block: Block) -> tuple[int, ...]:
        return tuple(self._codes.setdefault(self._key(line), len(self._codes)) for line in block)


def _borders(coded: tuple[int, ...]) -> list[int]:
    borders = [0] * len(coded)
    length = 0
    for index in range(1, len(coded)):
        while length and coded[index] != coded[length]:
            length = borders[length - 1]
        if coded[index] == coded[length]:
            length += 1
        borders[index] = length
    return borders


class _Automaton:
    """Aho-Corasick over coded blocks; one sweep tells where each block ends last."""

    def __init__(self, blocks: Sequence[tuple[int, ...]], width: int) -> None:
        self._width = width
        self._goto: dict[int, int] = {}
        self._parents = [(0, 0)]
        self._ends: dict[tuple[int, ...], int] = {}
        for block in blocks:
            if block not in self._ends:
                self._ends[block] = self._insert(block)
        self.size = len(self._parents)
        self._order = self._by_depth()
        self._fail = self._failures()

    def last_ends(self, spots: array[int], codes: array[int]) -> dict[tuple[int, ...], int]:
        """Return for each block the position of the last line of its last occurrence, -1 if it has none."""
        last = [-1] * self.size
        state, expected = 0, -1
        for spot, code in zip(spots, codes, strict=True):
            state = self._next(state if spot == expected else 0, code)
            last[state] = spot
            expected = spot + 1
        # A state stands for all suffixes that are blocks: hand positions on, deepest states first.
        for node in reversed(self._order):
            shorter = self._fail[node]
            last[shorter] = max(last[shorter], last[node])
        return {block: last[node] for block, node in self._ends.items()}

    def _next(self, state: int, code: int) -> int:
        goto, width, fail = self._goto, self._width, self._fail
        while (following := goto.get(state * width + code)) is None:
            if state == 0:
                return 0
            state = fail[state]
        return following

    def _insert(self, block: tuple[int, ...]) -> int:
        node = 0
        for code in block:
            edge = node * self._width + code
            if edge not in self._goto:
                self._goto[edge] = len(self._parents)
                self._parents.append((node, code))
            node = self._goto[edge]
        return node

    def _by_depth(self) -> list[int]:
        depth = [0] * self.size
        for node in range(1, self.size):
            depth[node] = depth[self._parents[node][0]] + 1
        return sorted(range(1, self.size), key=depth.__getitem__)

    def _failures(self) -> list[int]:
        self._fail = [0] * self.size
        for node in self._order:
            parent, code = self._parents[node]
            if parent:
                self._fail[node] = self._next(self._fail[parent], code)
        return self._fail
