"""Decides what each sandbox mode means on this machine: what commands may write, read and reach."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from toolscript.confine.wire import Confinement


def temporary_directories(configured: str | None) -> tuple[str, ...]:
    """Return the directories for temporary files, as the host's own environment names them."""
    named = [configured] if configured and Path(configured).is_absolute() else []
    real = [os.path.realpath(path) for path in [*named, "/tmp", "/var/tmp"]]
    return tuple(dict.fromkeys(path for path in real if path != "/" and Path(path).is_dir()))


def plan(
    *,
    writes: bool,
    full_access: bool,
    roots: Iterable[Path],
    secrets: Iterable[Path],
    network: bool,
    temporary: str | None = None,
) -> Confinement | None:
    """Return what the operating system shall hold a command to, or None when it cannot, or shall not."""
    return None
