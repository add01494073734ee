"""Decides which place in the user's source an engine's place means: lines and columns as people count them.

The engine counts columns in UTF-8 bytes of the blanked source, and places a call at the last name among its
arguments. Both are put right here, in the host: the first exactly, the second by finding the call around the place.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

from toolscript.errors import Position
from toolscript.language.positions import author_position

_IN_STACK = re.compile(r"script:(\d+):(\d+)")
_FARTHEST = 20_000
"""Characters before a place in which its call is looked for."""


class Sites:
    """The places of one source; ``prepared`` is what the engine was given of it, once that is known."""

    def __init__(self, source: str, prepared: str | None) -> None:
        self._source = source
        self.prepared = prepared

    @property
    def prepared(self) -> str:
        """The blanked source."""
        return self._prepared

    @prepared.setter
    def prepared(self, text: str | None) -> None:
        self._prepared = self._source if text is None else text
        # Bytes are characters then, and no ``return`` was put in, which would bring a rare space with it.
        self._plain = self._prepared.isascii()

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer("\n", self._source))]

    def _offset(self, line: int, column: int) -> int | None:
        """Return where in the text an engine's place is; None if there is no such place."""
        if not 1 <= line <= len(self._starts):
            return None
        return self._starts[line - 1] + self.place(line, column).column - 1

    def _position(self, offset: int) -> Position:
        starts = self._starts
        line = bisect_right(starts, offset)
        return Position(line, offset - starts[line - 1] + 1)

    def place(self, line: int, column: int) -> Position:
        """Return an engine's place as people count."""
        return Position(line, column) if self._plain else author_position(self._prepared, line, column)

    def call(self, tool: str, line: int, column: int) -> Position:
        """Return where the call of a tool begins, given the engine's place in or at it."""
        offset = self._offset(line, column)
        name = tool if "." not in tool else tool.rpartition(".")[2]
        if offset is None or self._source.startswith(name, offset):
            return self.place(line, column)
        found = self._call_around(name, offset)
        return self.place(line, column) if found is None else self._position(found)

    def _call_around(self, name: str, offset: int) -> int | None:
        window = max(0, offset - _FARTHEST)
        for found in reversed([*re.finditer(rf"\b{re.escape(name)}\b", self._source[window:offset])]):
            begins = window + found.start()
            if _still_open(self._source[window + found.end() : offset]):
                return begins
        return None

    def stack(self, text: str) -> str:
        """Return a stack with its places as people count."""
        if self._plain:
            return text

        def put_right(found: re.Match[str]) -> str:
            place = self.place(int(found[1]), int(found[2]))
            return f"script:{place.line}:{place.column}"

        return _IN_STACK.sub(put_right, text)


_TOKEN = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`(?:[^`\\]|\\.)*`|//[^\n]*|/\*.*?\*/|[()]", re.DOTALL)
_CALLED = re.compile(r"(?:['\"`]\])?\s*(?:\?\.)?\s*\(")


def _still_open(between: str) -> bool:
    """Say whether a call whose name ends where this text begins is still open where it ends."""
    if _CALLED.match(between) is None:
        return False
    depth = 0
    for found in _TOKEN.finditer(between):
        if found[0] in "()":
            depth += 1 if found[0] == "(" else -1
            if depth == 0:
                return False
    return True
