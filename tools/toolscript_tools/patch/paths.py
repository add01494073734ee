"""Decides how the path in a patch is resolved for comparison and messages: lexically, against a directory."""

from __future__ import annotations

import os
from pathlib import Path

from toolscript_tools.patch.failures import failed


def absolute(path: str, cwd: Path) -> str:
    """Return the absolute path with ``.`` and ``..`` collapsed, never above the root; links are not looked at.

    Raises ToolError (``bad_path``) for an empty path and for a NUL byte.
    """
    if not path or "\0" in path:
        raise failed(f"the patch names no usable path: {path!r}", "bad_path", path=path)
    resolved = os.path.normpath(cwd / path)
    # POSIX lets two leading slashes stand; nothing here gives them a meaning.
    return resolved[1:] if resolved.startswith("//") else resolved
