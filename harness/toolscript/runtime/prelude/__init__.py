"""Decides how the guest's prelude is put together: several files for people, one line for the engine."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def prelude() -> str:
    """Return the prelude as one line, so that every frame on line 1 of a stack is known to be ours.

    Read once: a worker has no files any more.
    """
    lines: list[str] = []
    for path in sorted(Path(__file__).parent.glob("*.js")):
        lines.extend(stripped for line in path.read_text("utf-8").splitlines() if (stripped := line.strip()))
    return " ".join(line for line in lines if not line.startswith("//"))
