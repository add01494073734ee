"""Decides how foreign text is written so that it can never open or close a tag, fence or element for a model."""

from __future__ import annotations

import json
import re

from toolscript.errors import Json

RESERVED = ("tool-calls", "script", "original-user-prompt", "script-output", "harness-note")
"""Elements that mean something between us and a model."""

_RESERVED = re.compile(rf"<(?=\s*/?\s*(?:{'|'.join(RESERVED)})\b)", re.IGNORECASE)
_TAG_LIKE = re.compile(r"<(?=[A-Za-z/!?])")
_BARE = str.maketrans({c: f"\\u{c:04x}" for c in (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F)})


def reserved_escaped(text: str) -> str:
    """Return prose with our own elements' tags written ``&lt;…``; all else stays as it is."""
    return _RESERVED.sub("&lt;", _sound(text))


def as_json(value: Json) -> str:
    """Return compact JSON on one line in which no tag can begin: ``<`` is ``\\u003c`` there, the same value."""
    return _TAG_LIKE.sub(r"\\u003c", _sound(json.dumps(value, ensure_ascii=False, separators=(", ", ": "))))


def as_lines(text: str) -> str:
    """Return text line by line behind ``| ``, so no fence opens, with the ``<`` of tags as ``\\u003c``."""
    safe = _TAG_LIKE.sub(r"\\u003c", _sound(text).translate(_BARE))
    return "\n".join(f"| {line}" for line in safe.splitlines() or [""])


def fenced(text: str, language: str = "") -> str:
    """Return text in a code fence that nothing inside can close."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{reserved_escaped(text).rstrip()}\n{fence}"


def _sound(text: str) -> str:
    """Return text that UTF-8 can carry: lone surrogates become the replacement character."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
