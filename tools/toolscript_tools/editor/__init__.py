"""Decides what others may use of the editor by exact text: the tool."""

from toolscript_tools.editor.tool import StrReplaceEditor, tools

__all__ = ["StrReplaceEditor", "tools"]
