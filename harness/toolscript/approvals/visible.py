"""Decides how hostile text is shown so that what a person reads is what would be executed."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from toolscript.language.inert import is_unseen, looks_like_ascii

MARK = "<U+{:04X}>"
KEPT_CONTROLS = "\n\t"
LINE_END = "⏎"
"""Stands before each line end inside a value, and is marked where the value itself holds it."""
_WORD = re.compile(r"\w+")
_HOST = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://(?:[^\s/@]*@)?([^\s/:?#]+)")


@dataclass(frozen=True, slots=True)
class Shown:
    """Text made safe to show, and how many characters had to be marked in it."""

    text: str
    marked: int = 0


def shown(text: str, *, strict: bool = False) -> Shown:
    """Return the text with every character that could mislead written as ``<U+XXXX>``.

    Marked are control and format characters but line feed and tab, bidirectional overrides, everything
    invisible, odd spaces, characters that Unicode folds to ASCII, and letters that pass for Latin ones.
    ``strict`` marks everything beyond printable ASCII: for commands, paths and addresses.
    """
    if text.isascii() and text.isprintable() and "<U+" not in text:
        return Shown(text)
    suspicious = set() if strict else _look_alikes(text)
    pieces: list[str] = []
    marked = 0
    for index, char in enumerate(text):
        if _is_marked(char, strict) or index in suspicious or text.startswith("<U+", index):
            pieces.append(MARK.format(ord(char)))
            marked += 1
        else:
            pieces.append(char)
    return Shown("".join(pieces), marked)


def visible(text: str, *, strict: bool = False) -> str:
    """Return only the text of :func:`shown`."""
    return shown(text, strict=strict).text


def one_line(text: str) -> str:
    """Return hostile text safe for one line: line ends and tabs are marked as well."""
    return visible(text).replace("\n", MARK.format(10)).replace("\t", MARK.format(9))


def punycode_hosts(text: str) -> tuple[str, ...]:
    """Return the ASCII form of every host in the text that is spelled with other characters."""
    hosts = (match.group(1) for match in _HOST.finditer(text))
    return tuple(_punycode(host) for host in hosts if not host.isascii())


def _punycode(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return f"{visible(host, strict=True)} (not a valid host name)"


@lru_cache(maxsize=65_536)
def _is_marked(char: str, strict: bool) -> bool:
    if char in KEPT_CONTROLS:
        return False
    if char.isascii():
        return not char.isprintable()
    if strict:
        return True
    return is_unseen(char) or unicodedata.normalize("NFKC", char).isascii()


def _look_alikes(text: str) -> set[int]:
    found: set[int] = set()
    for match in _WORD.finditer(text):
        word = match.group()
        if word.isascii():
            continue
        latin = any(char.isascii() and char.isalpha() for char in word)
        letters = [char for char in word if char.isalpha()]
        if latin or all(map(looks_like_ascii, letters)):
            found.update(
                match.start() + offset for offset, char in enumerate(word) if not char.isascii() and _foreign(char)
            )
    return found


def _foreign(char: str) -> bool:
    # Accented Latin letters belong among Latin ones; their base letter says what they are.
    return not unicodedata.name(char, "").startswith("LATIN") and unicodedata.category(char)[0] == "L"
