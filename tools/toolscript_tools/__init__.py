"""The tools that ship with toolscript."""

from __future__ import annotations

from toolscript.registry.tool import Tool


def tools() -> list[Tool]:
    """Return every tool of this package: what the ``toolscript.tools`` entry point offers."""
    from toolscript_tools.known import known_tools

    return known_tools()
