"""Decides what counts as white space at the edges of a line, and which look-alike characters are equal.

White space is Unicode's White_Space property; ``str.strip()`` would also take the separators U+001C to U+001F.
"""

from __future__ import annotations

from collections.abc import Callable

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_ASCII_SPACE = b"\t\n\v\f\r "

_FOLDED = {
    "-": (*range(0x2010, 0x2016), 0x2212),
    "'": range(0x2018, 0x201C),
    '"': range(0x201C, 0x2020),
    " ": (0xA0, *range(0x2002, 0x200B), 0x202F, 0x205F, 0x3000),
}
_FOLD = {code: plain for plain, codes in _FOLDED.items() for code in codes}

Key = Callable[[bytes], bytes]


def trim(line: str) -> str:
    """Return the line without white space at both ends."""
    return line.strip(WHITE_SPACE)


def trim_end(line: str) -> str:
    """Return the line without white space at its end."""
    return line.rstrip(WHITE_SPACE)


def exact(line: bytes) -> bytes:
    """First pass: lines are equal byte by byte."""
    return line


def without_end(line: bytes) -> bytes:
    """Second pass: white space at the end does not count."""
    if line.isascii():
        return line.rstrip(_ASCII_SPACE)
    return trim_end(line.decode()).encode()


def without_ends(line: bytes) -> bytes:
    """Third pass: white space at both ends does not count."""
    if line.isascii():
        return line.strip(_ASCII_SPACE)
    return trim(line.decode()).encode()


def folded(line: bytes) -> bytes:
    """Fourth pass: nor does the kind of dash, quotation mark or blank."""
    if line.isascii():
        return line.strip(_ASCII_SPACE)
    return trim(line.decode()).translate(_FOLD).encode()


PASSES: tuple[Key, ...] = (exact, without_end, without_ends, folded)
"""Lines are compared under each of these in turn; each finds all that the one before finds."""
