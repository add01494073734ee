"""Decides how JSON of scripts and models is read: halves of surrogate pairs, which no text has, become marks."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_SHORT = 4 * 1024
_LONG_NUMBER = re.compile(r"\d{18}")
"""The quick reader keeps no integer beyond 64 bits."""
DEEPEST = 512
"""How many levels of lists and objects a value may have."""


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text that nobody vouches for. Raises ValueError for what is no JSON, however deep."""
    if type(text) is str and len(text) < _SHORT and _LONG_NUMBER.search(text) is None:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # half a surrogate pair, or what only Python takes for JSON
    # Only an escape can bring half a pair in.
    halves = rb"\ud" if isinstance(text, bytes) else r"\ud"
    try:
        value = json.loads(text)
        return whole(value) if halves in text.lower() else value  # type: ignore[operator]
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dumps(value: Any) -> str:
    """Return a JSON value as compact text; large integers and halves of surrogate pairs keep their exact value."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, separators=(",", ":"))


def whole(value: Any) -> Any:
    """Return a JSON value in which every text can be written as UTF-8."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [whole(item) for item in value]
        case dict():
            return {whole(key): whole(item) for key, item in value.items()}
        case _:
            return value


def too_deep(text: str, most: int = DEEPEST) -> bool:
    """Say whether a JSON text nests deeper than any value of ours may; Python's own bound differs by version."""
    if len(text) <= most or text.count("[") + text.count("{") <= most:
        return False
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > most:
            return True
    return False


_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKET = re.compile(r"[][{}]")
