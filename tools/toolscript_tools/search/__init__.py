"""The tools that find things in files: grepFiles, fileSearch."""

from toolscript.registry.tool import Tool
from toolscript_tools.search.file_search import FileSearch
from toolscript_tools.search.grep_files import GrepFiles

__all__ = ["FileSearch", "GrepFiles", "tools"]


def tools() -> list[Tool]:
    """Return the tools of this package."""
    return [GrepFiles(), FileSearch()]
