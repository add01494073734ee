"""Decides how a value too large to hand over crosses: it is kept, and a handle stands for it, to be read in parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal

from toolscript.errors import Json
from toolscript.limits import MIB
from toolscript.texts import loads

LARGEST_RESULT = 8 * MIB
"""What a script may return by handle at most."""
Format = Literal["text", "json-lines", "json"]


def reference(value: Json, keep: Callable[[bytes], str]) -> dict[str, Json]:
    """Keep a value and return what stands for it: ``handle``, ``format``, ``bytes``, ``characters``, and ``items``.

    A text is kept as it is, a list as one item on each line (so that parts can be read without the rest), all else as
    JSON. ``tools.readOutput`` reads it by the handle, as long as the conversation lives.
    """
    form, text = _written(value)
    data = text.encode("utf-8", "replace")
    told: dict[str, Json] = {"handle": keep(data), "format": form, "bytes": len(data), "characters": len(text)}
    return told | ({"items": len(value)} if form == "json-lines" else {})


def original(stands: dict[str, Json], data: bytes) -> Json:
    """Return the value that a reference stands for, from the bytes that were kept."""
    text = data.decode()
    match stands["format"]:
        case "text":
            return text
        case "json-lines":
            return [loads(line) for line in text.split("\n")]
        case _:
            return loads(text)


def _written(value: Json) -> tuple[Format, str]:
    if isinstance(value, str):
        return "text", value
    if isinstance(value, list) and value:
        return "json-lines", "\n".join(_json(item) for item in value)
    return "json", _json(value)


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
