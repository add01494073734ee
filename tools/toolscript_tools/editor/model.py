"""Decides what the editor takes and what scripts get back."""

from __future__ import annotations

from pydantic import Field

from toolscript.registry.tool import ToolModel

COMMANDS = ("view", "create", "str_replace", "insert", "undo_edit")


class EditorInput(ToolModel):
    """The arguments of strReplaceEditor, in both of the generations that models know."""

    command: str = Field(
        description="One of view, create, str_replace, insert, undo_edit", json_schema_extra={"enum": list(COMMANDS)}
    )
    path: str = Field(
        description="Path of a file, or of a directory to view: absolute, or relative to the working directory"
    )
    view_range: list[int] | None = Field(
        default=None, description="view: first and last line, from 1, both included; -1 for the end"
    )
    file_text: str | None = Field(default=None, description="create: the content of the new file")
    old_str: str | None = Field(
        default=None, description="str_replace: the text to replace, taken literally; it must occur exactly once"
    )
    new_str: str | None = Field(
        default=None, description="str_replace: the new text, nothing to delete; insert: another name for insert_text"
    )
    insert_line: int | None = Field(default=None, description="insert: the line after which to insert, 0 for the start")
    insert_text: str | None = Field(default=None, description="insert: the lines to insert")


class EditorOutput(ToolModel):
    """What a command showed or did."""

    path: str = Field(description="The path, as given")
    content: str | None = Field(
        default=None,
        description="view: the exact text of the lines; str_replace, insert: the lines around the edit; undo_edit: "
        "the text now (left out if the file is gone again)",
    )
    first_line: int | None = Field(default=None, description="Number of the first line of `content`")
    entries: list[str] | None = Field(
        default=None, description="view of a directory: the paths in it, two levels deep, hidden ones left out"
    )
    diff: str | None = Field(default=None, description="Unified diff of what was changed")
