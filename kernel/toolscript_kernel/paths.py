"""Decides when Python may import from the workspace: only while a ``%%py`` cell runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def importable(workspace: Path) -> Iterator[None]:
    """Put the workspace first on ``sys.path`` while the block runs.

    At any other time a file in the workspace that is named like a module must not be imported: agents write there.
    """
    entry = str(workspace)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)
