"""The tools that ship with toolscript."""

from __future__ import annotations

from toolscript.registry.tool import Tool


def tools() -> list[Tool]:
    """Return every tool of this package: what the ``toolscript.tools`` entry point offers."""
    from toolscript_tools import discovery, editor, files, image, outputs, patch, search, shell, subagent

    rooms = (shell, files, search, image, patch, editor, outputs, discovery, subagent)
    return [tool for room in rooms for tool in room.tools()]
