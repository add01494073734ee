"""Decides when Python may import from the workspace: only while a ``%%py`` cell runs, and what is installed wins."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any


@contextmanager
def importable(workspace: Path, traceback: Any) -> Iterator[None]:
    """Put the workspace last on ``sys.path`` while the block runs; ``traceback`` is the shell's formatter of errors.

    A file in the workspace that is named like a module must not be imported in its place: agents write there.
    """
    _load(traceback)
    entry = str(workspace)
    sys.path.append(entry)
    try:
        yield
    finally:
        if entry in sys.path:
            # The last one: it may have been there before.
            del sys.path[len(sys.path) - 1 - sys.path[::-1].index(entry)]


@cache
def _load(traceback: Any) -> None:
    """Format one error, so that what this imports, and looks for in vain, is not looked for in the workspace."""
    try:
        raise RuntimeError
    except RuntimeError:
        traceback.structured_traceback(*sys.exc_info())
