"""Decides how foreign text is written so that it can never open or close a tag, fence or element for a model."""

from __future__ import annotations

import json
import re

from toolscript.errors import Json
from toolscript.language import inert

RESERVED = ("tool-calls", "script", "original-user-prompt", "script-output", "harness-note")
"""Elements that mean something between us and a model."""

_TAG_LIKE = re.compile(r"<(?=\s*[A-Za-z/!?\\])")


def reserved_escaped(text: str) -> str:
    """Return prose with our own elements' tags written ``&lt;…``, however they are spelt, and controls written out."""
    return inert.uncontrolled(inert.inert(_sound(text), RESERVED))


def as_json(value: Json) -> str:
    """Return compact JSON on one line in which no tag can begin: ``<`` is ``\\u003c`` there, the same value."""
    return _escaped(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")))


def as_lines(text: str) -> str:
    """Return text line by line behind ``| ``, so no fence opens, with the ``<`` of tags as ``\\u003c``."""
    return "\n".join(f"| {line}" for line in _escaped(text).splitlines() or [""])


def one_line(text: str) -> str:
    """Return text whose line breaks, of whatever kind, are written as JSON escapes: nothing in it begins a line."""
    return "".join(_unbroken(line) for line in text.splitlines(keepends=True))


def _unbroken(line: str) -> str:
    body = line.splitlines()[0]
    return body + "".join(json.dumps(c)[1:-1] for c in line[len(body) :])


def fenced(text: str, language: str = "") -> str:
    """Return text in a code fence that nothing inside can close."""
    return inert.fenced(reserved_escaped(text).rstrip(), language)


def _escaped(text: str) -> str:
    """Return the text with tags and controls written as JSON escapes, so that JSON keeps its value."""
    safe = inert.inert(_TAG_LIKE.sub(r"\\u003c", _sound(text)), RESERVED, write=_escape)
    return inert.uncontrolled(safe, _escape)


def _escape(c: str) -> str:
    return json.dumps(c)[1:-1] if ord(c) > 0x7F else f"\\u{ord(c):04x}"


def _sound(text: str) -> str:
    """Return text that UTF-8 can carry: lone surrogates become the replacement character."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
