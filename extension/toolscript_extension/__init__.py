"""The faces beyond the kernel."""

from __future__ import annotations

from typing import Any

_FACE = "_toolscript_face"


def load_ipython_extension(shell: Any) -> None:
    """Give the ordinary Python kernel ``%%toolscript`` and ``%%agent``: ``%load_ext toolscript_extension``."""
    from toolscript_extension.ipython import Face

    if getattr(shell, _FACE, None) is None:
        setattr(shell, _FACE, Face(shell))


def unload_ipython_extension(shell: Any) -> None:
    """Take them away again."""
    face = getattr(shell, _FACE, None)
    if face is not None:
        face.remove()
        setattr(shell, _FACE, None)
