"""Decides which Python values are too large for a script's params: the largest are kept, and cross as handles."""

from __future__ import annotations

import json
from collections.abc import Callable

from toolscript.errors import Json

Keep = Callable[[Json], dict[str, Json]]


def fitting(values: dict[str, Json], most: int, keep: Keep) -> dict[str, Json]:
    """Return values that take at most ``most`` bytes together, as far as handles for the largest bring that about."""
    sizes = {name: _size(value) for name, value in values.items()}
    total = sum(sizes.values())
    fitted = dict(values)
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if total <= most:
            break
        fitted[name] = keep(values[name])
        total += _size(fitted[name]) - sizes[name]
    return fitted


def _size(value: Json) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
