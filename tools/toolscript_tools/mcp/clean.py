"""Decides what is left of a text that a server wrote before a person or a model reads it."""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)?|[@-Z\\-_]?)")
_TAGS = re.compile(
    r"<(?=\s*/?\s*(?:tool-calls|script|original-user-prompt|system|assistant|user|function))", re.IGNORECASE
)
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}
_VARIATION = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


def clean(text: str, limit: int = 2_000) -> str:
    """Return the text without what cannot be seen, unable to open or close a tag, fence or comment, cut to ``limit``.

    Terminal escapes, control, zero-width, direction and tag characters go; line breaks and tabs stay.
    """
    # Nothing that is cut off anyway needs to be looked at.
    text = _ESCAPES.sub("", text[: 4 * limit])
    text = "".join(character for character in text if _visible(character))
    text = _TAGS.sub("‹", text).replace("```", "'''").replace("~~~", "---").replace("*/", "* /")
    return text if len(text) <= limit else f"{text[:limit]}… [cut]"


def _visible(character: str) -> bool:
    if character in "\n\t" or " " <= character <= "~":
        return True
    if any(ord(character) in selectors for selectors in _VARIATION):
        return False
    return unicodedata.category(character) not in _INVISIBLE
