"""Decides which directories no tool and no confined command may look into: those whose reader could say yes for you."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def hidden_directories(environ: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Return our state directory and Jupyter's runtime directory, whether or not they exist yet.

    Journals, tokens and sockets lie in the first, connection files of kernels with their keys in the second.
    """
    environ = os.environ if environ is None else environ
    home = Path(environ.get("HOME") or Path.home())
    data = _absolute(environ.get("XDG_DATA_HOME")) or home / ".local" / "share"
    jupyter = _absolute(environ.get("JUPYTER_DATA_DIR")) or data / "jupyter"
    runtime = _absolute(environ.get("JUPYTER_RUNTIME_DIR")) or jupyter / "runtime"
    state = _absolute(environ.get("XDG_STATE_HOME")) or home / ".local" / "state"
    found = [state / "toolscript", runtime, home / "Library" / "Jupyter" / "runtime"]
    return tuple(path for path in found if path.parent.exists())


def _absolute(value: str | None) -> Path | None:
    return Path(value) if value and value.startswith("/") else None
