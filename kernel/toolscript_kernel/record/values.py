"""Decides how a JSON value reads as text: on one line where it fits, else broken into lines."""

from __future__ import annotations

import json

from toolscript.errors import Json
from toolscript_kernel.record import inert

WIDTH = 100


def pretty(value: Json, *, width: int = WIDTH) -> str:
    """Return the value as JSON text that a person can read; a string of several lines is shown as it is."""
    if isinstance(value, str) and "\n" in value:
        return inert.text(value)
    return inert.text(_block(value, width, ""))


def compact(value: Json, width: int = 120) -> str:
    """Return the value on one line, its middle left out beyond ``width`` characters."""
    return inert.one_line(_flat(value), width)


def _flat(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "), default=repr)


def _block(value: Json, width: int, indent: str) -> str:
    flat = _flat(value)
    if len(flat) + len(indent) <= width or not isinstance(value, dict | list | tuple) or not value:
        return flat
    deeper = indent + "  "
    if isinstance(value, dict):
        rows = [f"{deeper}{_flat(str(k))}: {_block(v, width, deeper)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    rows = [f"{deeper}{_block(v, width, deeper)}" for v in value]
    return "[\n" + ",\n".join(rows) + f"\n{indent}]"
