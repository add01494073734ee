"""Decides how the guest's prelude is put together: several files for people, one line for the engine."""

from __future__ import annotations

import os
from functools import cache


@cache
def prelude() -> str:
    """Return the prelude as one line, so that every frame on line 1 of a stack is known to be ours.

    Read once: a worker has no files any more.
    """
    lines: list[str] = []
    folder = os.path.dirname(__file__)
    for name in sorted(name for name in os.listdir(folder) if name.endswith(".js")):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            lines.extend(stripped for line in file if (stripped := line.strip()))
    return " ".join(line for line in lines if not line.startswith("//"))
