"""Decides how well a path fits what a person typed, by the habits of fzf.

Blank-separated parts must all fit. ``'part`` stands for itself, ``^part`` for the beginning, ``part$`` for the end,
``!part`` for what must not occur; any other part fits if its characters occur in order. Case is ignored; an accent
only matters where it was typed. Scores are only good for comparing: matches that begin a name or a word, that hang
together and that lie in the last name score higher.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MATCH, GAP_START, GAP = 16, 3, 1
AT_NAME, AT_WORD, AT_HUMP, IN_RUN = 10, 8, 7, 4
WHOLE_NAME, WHOLE_STEM, IN_NAME, SPREAD_IN_NAME = 32, 24, 12, 3
MAX_QUERY = 256
MAX_PATH = 1024
_SEPARATORS = frozenset(" -_.,:;|+@()[]{}")

Score = Callable[["Target"], int | None]
"""Returns how well a path fits, None if it does not."""


@dataclass(frozen=True, slots=True)
class Target:
    """A path as it is compared: with and without accents, and what each position is worth."""

    text: str
    bare: str
    worth: Sequence[int]
    name: int

    @classmethod
    def of(cls, path: str) -> Target:
        """Return a path ready for comparison."""
        path = unicodedata.normalize("NFC", path)[-MAX_PATH:]
        if path.isascii():
            text = bare = path.lower()
        else:
            text = "".join(_lower(c) for c in path)
            bare = "".join(_lower(_base(c)) for c in path)
        return cls(text, bare, _worth(path), path.rfind("/") + 1)


def compile_query(query: str) -> Score:
    """Return the function that scores paths for a query; an empty one fits everything alike."""
    atoms = [_atom(part) for part in _parts(query[:MAX_QUERY])]

    def score(target: Target) -> int | None:
        total = 0
        for atom in atoms:
            points = atom(target)
            if points is None:
                return None
            total += points
        return total

    return score


def _parts(query: str) -> list[str]:
    """Split at blanks, but those behind a backslash."""
    marked = unicodedata.normalize("NFC", query).replace("\\ ", "\0")
    return [part.replace("\0", " ") for part in marked.split()]


def _atom(part: str) -> Score:
    unwanted = part.startswith("!") and len(part) > 1
    part = part[1:] if unwanted else part
    exact = part.startswith("'") and len(part) > 1
    starts = part.startswith("^") and len(part) > 1
    ends = part.endswith("$") and len(part) > 1 and not part.endswith("\\$")
    text = part[exact or starts : len(part) - ends].replace("\\$", "$")
    wanted = "".join(_lower(c) for c in text)
    if not wanted:
        return lambda target: 0
    if starts or ends or exact or unwanted:
        found = _substring(wanted, starts, ends)
        return (lambda target: None if found(target) is not None else 0) if unwanted else found
    return lambda target: _fuzzy(wanted, target)


def _compared(wanted: str, target: Target) -> str:
    return target.bare if wanted.isascii() else target.text


def _substring(wanted: str, starts: bool, ends: bool) -> Score:
    def score(target: Target) -> int | None:
        text = _compared(wanted, target)
        if (starts and not text.startswith(wanted)) or (ends and not text.endswith(wanted)):
            return None
        if starts and ends and text != wanted:
            return None
        at = 0 if starts else len(text) - len(wanted) if ends else text.rfind(wanted)
        if at < 0:
            return None
        return len(wanted) * (MATCH + IN_RUN) + target.worth[at] + _place_points(target, at, at + len(wanted))

    return score


def _fuzzy(wanted: str, target: Target) -> int | None:
    text = _compared(wanted, target)
    end = len(text)
    for char in reversed(wanted):
        end = text.rfind(char, 0, end)
        if end < 0:
            return None
    best = _best(wanted, text, target.worth)
    in_name = _best(wanted, text[target.name :], target.worth[target.name :]) if target.name else best
    points = max(best or 0, in_name or 0)
    at = text.rfind(wanted)
    return points + (_place_points(target, at, at + len(wanted)) if at >= 0 else SPREAD_IN_NAME * (in_name is not None))


def _place_points(target: Target, start: int, end: int) -> int:
    """Return what it is worth that a whole run of characters is the last name, or lies in it."""
    if start < target.name:
        return 0
    if start > target.name:
        return IN_NAME
    if end == len(target.text):
        return WHOLE_NAME
    return WHOLE_STEM if target.text[end] == "." else IN_NAME


def _best(wanted: str, text: str, worth: Sequence[int]) -> int | None:
    """Return the score of the best way to find the characters in order; None if there is none.

    For each character, and each place where it occurs, the best score so far: from the place just before it
    (a run, which keeps the worth of its beginning), or from any earlier one, less the gap.
    """
    before: list[tuple[int, int, int]] = []
    for index, char in enumerate(wanted):
        here: list[tuple[int, int, int]] = []
        reach, cursor = -1, 0
        best_gap = -(10**9)
        at = text.find(char)
        while at >= 0:
            run: tuple[int, int] | None = None
            while cursor < len(before) and before[cursor][0] < at:
                position, score, begun = before[cursor]
                if position == at - 1:
                    run = score, begun
                else:
                    best_gap = max(best_gap, score + GAP * position)
                    reach = position
                cursor += 1
            found = _step(index, at, worth[at], run, best_gap - GAP * (at - 2) - GAP_START if reach >= 0 else None)
            if found is not None:
                here.append(found)
            if run is not None:
                best_gap, reach = max(best_gap, run[0] + GAP * (at - 1)), at - 1
            at = text.find(char, at + 1)
        if not here:
            return None
        before = here
    return max(score for _, score, _ in before)


def _step(index: int, at: int, worth: int, run: tuple[int, int] | None, gap: int | None) -> tuple[int, int, int] | None:
    if index == 0:
        return at, MATCH + 2 * worth, worth
    options = []
    if run is not None:
        bonus = max(worth, run[1], IN_RUN)
        options.append((run[0] + MATCH + bonus, bonus))
    if gap is not None:
        options.append((gap + MATCH + worth, worth))
    if not options:
        return None
    score, begun = max(options)
    return at, score, begun


def _worth(path: str) -> list[int]:
    worth = []
    previous = "/"
    for char in path:
        if previous == "/":
            worth.append(AT_NAME)
        elif previous in _SEPARATORS:
            worth.append(AT_WORD if char not in _SEPARATORS else 0)
        elif (char.isupper() and not previous.isupper()) or (char.isdigit() and not previous.isdigit()):
            worth.append(AT_HUMP)
        else:
            worth.append(0)
        previous = char
    return worth


def _lower(char: str) -> str:
    lowered = char.lower()
    return lowered if len(lowered) == 1 else char


def _base(char: str) -> str:
    return unicodedata.normalize("NFD", char)[0]
