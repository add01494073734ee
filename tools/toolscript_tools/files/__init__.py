"""The tools that read and write files: readFile, writeFile, listDir."""

from toolscript.registry.tool import Tool
from toolscript_tools.files.listing import ListDir
from toolscript_tools.files.read import ReadFile
from toolscript_tools.files.write import WriteFile

__all__ = ["ListDir", "ReadFile", "WriteFile", "tools"]


def tools() -> list[Tool]:
    """Return the tools of this package."""
    return [ReadFile(), WriteFile(), ListDir()]
