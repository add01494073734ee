"""Decides what a scanner of script text remembers from one token to the next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Mode(Enum):
    """What the characters at the scanner's place belong to."""

    CODE = auto()
    WORD = auto()
    STRING = auto()
    TEMPLATE = auto()
    LINE_COMMENT = auto()
    BLOCK_COMMENT = auto()
    REGEX = auto()


class Bracket(Enum):
    """What an open bracket is, as far as a slash behind its end cares."""

    VALUE = auto()
    """Its end is the end of a value: a slash divides."""
    HEAD = auto()
    """A statement or an operand follows its end: a slash opens a regular expression."""
    TEMPLATE = auto()
    """Its end goes back into a template."""


@dataclass(slots=True)
class Place:
    """What the scanner knows at one point of the text, brackets aside."""

    mode: Mode = Mode.CODE
    value: bool = False
    """The last token ends a value."""
    last: str = ""
    """The last token: a word (cut short), ``0`` for a number, or an operator's last characters."""
    before: str = ""
    """The token before ``last``."""
    broke: bool = True
    """A line ended since the last token, or there was none."""
    quote: str = ""
    in_class: bool = False
    retries: int = 0
    body: str = ""
    """``value`` or ``head``: a function or class whose body is still to come, and what its end will be."""


class Verdict(Enum):
    """What came of one step."""

    GO = auto()
    WAIT = auto()
    """The piece ends in the middle of what the step would need to see whole."""
    CLOSED = auto()
    """The closing tag stands here."""
