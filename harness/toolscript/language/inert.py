"""Decides how hostile text is shown to models and people: it opens and closes nothing, and hides nothing."""

from __future__ import annotations

import re
import unicodedata

_ELEMENTS = ("tool-calls", "script", "original-user-prompt")
_TAG = re.compile(rf"<(?=\s*/?\s*(?:{'|'.join(_ELEMENTS)})\b)", re.IGNORECASE)


def inert(text: str) -> str:
    """Return the text with each ``<`` that begins one of our tags written ``&lt;``, whatever its spelling."""
    return _TAG.sub("&lt;", text)


def visible(text: str, *, keep: str = "\n\t") -> str:
    """Return the text with control, format and unassigned characters written as ``<U+202E>``.

    Characters in ``keep`` stay. Letters of other scripts stay: see :func:`lookalikes`.
    """
    return "".join(c if c in keep or c.isprintable() else f"<U+{ord(c):04X}>" for c in text)


def lookalikes(text: str) -> list[str]:
    """Return the non-ASCII characters of a text, each once, as ``U+0430 CYRILLIC SMALL LETTER A``."""
    found = dict.fromkeys(c for c in text if ord(c) > 126)
    return [f"U+{ord(c):04X} {unicodedata.name(c, 'unnamed')}" for c in found]
