"""Decides how JSON of scripts and models is read: halves of surrogate pairs, which no text has, become marks."""

from __future__ import annotations

import json
from typing import Any


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text that nobody vouches for. Raises ValueError for what is no JSON, however deep."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    # Only an escape can bring half a pair in.
    halves = rb"\ud" if isinstance(text, bytes) else r"\ud"
    return whole(value) if halves in text.lower() else value  # type: ignore[operator]


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
