"""Decides how hostile text is shown to models and people: it opens and closes nothing, and hides nothing.

Pages escape HTML themselves; this is for text that is read as text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable

from toolscript.language.forms import TAGS

ELEMENTS = (*TAGS, "original-user-prompt")
"""Elements that text from tools never opens or closes."""

_OPENERS = "<\uff1c\ufe64\u2039\u3008\u276e\u02c2"
_REACH = 96
"""Characters behind a bracket that are looked at; invisible ones can make a name longer than it seems."""
_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_LOOKALIKES = dict(
    zip(
        "аеорсухіѕјһӏԁԛԝոυνοιρτκαѵɡɑАВЕКМНОРСТХІЅЈԌΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
        "aeopcyxisjhldqwnuvoiptkavgaABEKMHOPCTXISJGABEZHIKMNOPTYX",
        strict=True,
    )
)
"""Letters of other alphabets that look like ours."""
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that count as printable and show nothing."""
CONTROLS = (
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufeff\ufff9-\ufffb\\ud800-\\udfff\U000e0000-\U000e007f"
)
"""What moves a cursor, reorders, or smuggles text past a reader, as the inside of a character class: the least that is
written out wherever text is shown. Line feeds, tabs, odd blanks and what joins emoji are not among it."""
_CONTROL = re.compile(f"[{CONTROLS}]")
_WORD = re.compile(r"[^\W_]+")


def _entity(bracket: str) -> str:
    return "&lt;"


def inert(text: str, elements: Iterable[str] = ELEMENTS, *, write: Callable[[str], str] = _entity) -> str:
    """Return the text with each bracket that begins one of these elements written ``&lt;``, or as ``write`` does.

    Whatever its spelling: capitals, blanks, attributes, invisible characters and look-alikes make no difference.
    What is inert already stays as it is.
    """
    names = frozenset(elements)
    pieces: list[str] = []
    position = 0
    for bracket in re.finditer(f"[{_OPENERS}]", text):
        if _begins(text[bracket.end() : bracket.end() + _REACH], names):
            pieces += [text[position : bracket.start()], write(bracket.group())]
            position = bracket.end()
    return "".join([*pieces, text[position:]])


def _begins(text: str, names: frozenset[str]) -> bool:
    """Return whether one of the names, perhaps behind a slash, is what this text starts with, read as people do."""
    read = ""
    for at, c in enumerate(text):
        if c.isspace() or (c not in _HYPHENS and is_unseen(c)):
            continue
        read = (read + _plain(c).lower()).removeprefix("/")
        if read in names:
            following = next((f for f in text[at + 1 :] if f.isspace() or not is_unseen(f)), " ")
            if not (following.isalnum() or following == "-"):
                return True
        if not any(name.startswith(read) for name in names):
            return False
    return False


def _plain(c: str) -> str:
    if c in _HYPHENS:
        return "-"
    return _LOOKALIKES.get(c) or unicodedata.normalize("NFKC", c)


def fenced(text: str, info: str = "") -> str:
    """Return the text in a Markdown fence that nothing in it can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{info}\n{text}{'' if text.endswith(chr(10)) else chr(10)}{fence}"


def uncontrolled(text: str, write: Callable[[str], str] | None = None) -> str:
    """Return the text with only its :data:`CONTROLS` written out, as ``<U+202E>`` or as ``write`` does."""
    return _CONTROL.sub(lambda match: (write or _code)(match.group()), text)


def visible(text: str, *, keep: str = "\n\t") -> str:
    """Return the text with all that hides or deceives written out, as ``<U+202E>``.

    These are control characters (``keep`` excepted), escape sequences, direction marks, invisible and unassigned
    characters, blanks other than a space, halves of surrogate pairs, and look-alike letters in words where they
    pass for ours. Other letters of other alphabets stay.
    """
    shown = "".join(c if c in keep or not is_unseen(c) else _code(c) for c in text)
    return _WORD.sub(lambda word: _unmasked(word.group()), shown)


def visible_line(text: str) -> str:
    """Return the text as :func:`visible` does, on one line: line breaks are shown as ``⏎``."""
    return visible(text.replace("\r\n", "\n").replace("\n", "⏎"), keep="")


def hidden(text: str) -> list[str]:
    """Return what :func:`visible` writes out of a text, each once with its name and count, for a warning."""
    deceiving = "".join(w for w in _WORD.findall(text) if _deceives(w))
    found = Counter(c for c in text if c not in "\n\t" and is_unseen(c))
    found.update(c for c in deceiving if looks_like_ascii(c))
    return [f"U+{ord(c):04X} {unicodedata.name(c, 'unnamed')} ×{count}" for c, count in found.items()]


def is_unseen(c: str) -> bool:
    """Say whether a character shows nothing, or is a blank other than the space."""
    return not c.isprintable() or _UNSEEN.match(c) is not None


def _code(c: str) -> str:
    return f"<U+{ord(c):04X}>"


def _unmasked(word: str) -> str:
    return "".join(_code(c) if looks_like_ascii(c) else c for c in word) if _deceives(word) else word


def _deceives(word: str) -> bool:
    """Return whether look-alikes stand among letters of ours, or make up the whole word."""
    if word.isascii():
        return False
    masks = [looks_like_ascii(c) for c in word]
    return any(masks) and (all(masks) or any(c.isascii() and c.isalpha() for c in word))


def looks_like_ascii(c: str) -> bool:
    """Say whether a letter passes for one of ours."""
    return c in _LOOKALIKES or (not c.isascii() and c.isalnum() and unicodedata.normalize("NFKC", c).isascii())
