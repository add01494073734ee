"""Decides how ranges of a source are blanked and text is inserted while every line and column stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate

LINE_BREAKS = "\n\r"


@dataclass(slots=True)
class Edits:
    """What is to be done to one source; offsets are bytes of its UTF-8, as syntax trees count."""

    source: bytes
    text: str
    end: int = 0
    """Where the last erased range ends: what lies before it is dealt with."""
    ranges: list[tuple[int, int, str]] = field(default_factory=list)
    inserts: list[tuple[int, str]] = field(default_factory=list)

    def erase(self, start: int, end: int, instead: str = "") -> None:
        """Blank a range with all that lies in it, ``instead`` standing at its start."""
        self.ranges.append((start, end, instead))
        self.end = max(self.end, end)

    def mark(self, start: int, end: int, instead: str = "") -> None:
        """Blank a range that lies behind nodes which are still to be visited."""
        self.ranges.append((start, end, instead))

    def insert(self, at: int, text: str) -> None:
        """Put text before a byte offset."""
        self.inserts.append((at, text))

    def breaks(self, start: int, end: int) -> bool:
        """Return whether a line ends between two offsets."""
        between = self.source[start:end].decode()
        return any(c in between for c in LINE_BREAKS)

    def apply(self) -> str:
        """Return the edited text."""
        offsets = _characters(self.source) if len(self.source) != len(self.text) else range(len(self.source) + 1)
        pieces: list[str] = []
        position = 0
        for start, end, instead in sorted(self.ranges, key=lambda r: (r[0], -r[1])):
            if end <= position:
                continue
            first, last = offsets[max(start, position)], offsets[end]
            pieces += [self.text[offsets[position] : first], instead + _blanked(self.text[first:last])[len(instead) :]]
            position = end
        pieces.append(self.text[offsets[position] :])
        result = "".join(pieces)
        for at, text in sorted(self.inserts, reverse=True):
            result = result[: offsets[at]] + text + result[offsets[at] :]
        return result


def _characters(source: bytes) -> list[int]:
    """Return for each byte offset how many characters begin before it."""
    return list(accumulate((byte & 0xC0 != 0x80 for byte in source), initial=0))


_BLANKS = ("", " ", "\u00a0", "\u3000", " ")
"""Blanks by their length in UTF-8; there is none of four bytes."""


def _blanked(text: str) -> str:
    """Return blanks for a text, character by character, of as many bytes where there are such blanks.

    So an engine that counts columns in bytes counts the same in the author's source and in ours.
    """
    if text.isascii():
        return " " * len(text) if text.isprintable() else "".join(c if c in LINE_BREAKS else " " for c in text)
    return "".join(c if c in LINE_BREAKS else _BLANKS[len(c.encode())] for c in text)
