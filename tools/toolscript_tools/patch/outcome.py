"""Decides what an applied patch reports: the lists of paths, one unified diff, and the summary text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from toolscript.registry.tool import ToolModel
from toolscript_tools.patch.diff import file_diff
from toolscript_tools.patch.model import AddFile, DeleteFile, Hunk, UpdateFile
from toolscript_tools.patch.verify import Action


class Moved(ToolModel):
    """A file that has another path now, and perhaps other content."""

    source: str = Field(validation_alias="from", serialization_alias="from", description="The path before")
    to: str = Field(description="The path now; a file that was there is overwritten")


class Applied(ToolModel):
    """What a patch did; paths are spelt as in the patch."""

    added: list[str] = Field(description="Files created or overwritten")
    modified: list[str] = Field(description="Files edited in place")
    deleted: list[str] = Field(description="Files removed")
    moved: list[Moved] = Field(description="Files moved")
    diff: str = Field(description="Unified diff of all changes, with file headers")
    diff_handle: str | None = Field(
        default=None, description="Given when `diff` is cut: the handle under which `readOutput` has all of it"
    )


def applied(actions: Sequence[Action], diff: str, handle: str | None = None) -> Applied:
    """Return the report on actions that were carried out."""
    named = {kind: [action.path for action in actions if action.kind == kind] for kind in ("add", "modify", "delete")}
    return Applied(
        added=named["add"],
        modified=named["modify"],
        deleted=named["delete"],
        moved=[Moved(source=action.path, to=action.to or "") for action in actions if action.kind == "move"],
        diff=diff,
        diff_handle=handle,
    )


def diff_of(actions: Sequence[Action]) -> str:
    """Return the unified diff of all actions, in the order of the patch."""
    return "".join(
        file_diff(action.path, action.before.data, action.content, to=action.to, edits=action.edits)
        for action in actions
    )


Mark = Literal["A", "M", "D"]


def marks(hunks: Sequence[Hunk]) -> list[tuple[Mark, str]]:
    """Return the summary's lines in its order: added, then edited (moved files by their new path), then deleted."""
    found: list[tuple[Mark, str]] = []
    for hunk in hunks:
        match hunk:
            case AddFile():
                found.append(("A", hunk.path))
            case DeleteFile():
                found.append(("D", hunk.path))
            case UpdateFile():
                found.append(("M", hunk.move_to or hunk.path))
    return sorted(found, key=lambda mark: "AMD".index(mark[0]))


def summary(lines: Sequence[tuple[Mark, str]]) -> str:
    """Return the text that a model sees after success."""
    listed = "".join(f"{mark} {path}\n" for mark, path in lines)
    return f"Success. Updated the following files:\n{listed}"
