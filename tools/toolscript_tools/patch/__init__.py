"""Decides what others may use of the patch tool: parsing, applying, the tool, and the bare executable."""

from toolscript_tools.patch.diff import file_diff, unified
from toolscript_tools.patch.edits import Edit, between
from toolscript_tools.patch.failures import InvalidPatch
from toolscript_tools.patch.model import AddFile, Chunk, DeleteFile, Hunk, Patch, UpdateFile
from toolscript_tools.patch.outcome import Applied, Moved
from toolscript_tools.patch.parse import StreamingParser, parse
from toolscript_tools.patch.seek import seek
from toolscript_tools.patch.tool import ApplyPatch, apply_text, classify_text, refuse_uncalled, summary_text, tools
from toolscript_tools.patch.update import Updated, update, update_legacy
from toolscript_tools.patch.verify import Action, verify

__all__ = [
    "Action",
    "AddFile",
    "Applied",
    "ApplyPatch",
    "Chunk",
    "DeleteFile",
    "Edit",
    "Hunk",
    "InvalidPatch",
    "Moved",
    "Patch",
    "StreamingParser",
    "UpdateFile",
    "Updated",
    "apply_text",
    "between",
    "classify_text",
    "file_diff",
    "parse",
    "refuse_uncalled",
    "seek",
    "summary_text",
    "tools",
    "unified",
    "update",
    "update_legacy",
    "verify",
]
