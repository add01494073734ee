"""Decides the text that a model reads after each command; the wording is the one it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

CLIP = 16_000
NOTICE = (
    "<response clipped><NOTE>To save on context only part of this file has been shown to you. You should retry this "
    "tool after you have searched inside the file with `grep -n` in order to find the line numbers of what you are "
    "looking for.</NOTE>"
)
REVIEW = "Review the changes and make sure they are as expected"


def numbered(content: str, name: str, first_line: int = 1, clip: int | None = CLIP) -> str:
    """Return the content with line numbers, cut after ``clip`` characters with a notice."""
    if clip is not None and len(content) > clip:
        content = content[:clip] + NOTICE
    lines = "\n".join(f"{number:6}\t{line}" for number, line in enumerate(content.split("\n"), first_line))
    return f"Here's the result of running `cat -n` on {name}:\n{lines}\n"


def listed(path: str, entries: Sequence[str], clip: int | None = CLIP) -> str:
    """Return a directory's listing, cut after ``clip`` characters with a notice."""
    listing = "\n".join(entries)
    if clip is not None and len(listing) > clip:
        listing = listing[:clip] + NOTICE
    return f"Here's the files and directories up to 2 levels deep in {path}, excluding hidden items:\n{listing}\n"


def created(path: str) -> str:
    """Return what follows a create."""
    return f"File created successfully at: {path}"


def replaced(path: str, snippet: str, first_line: int, clip: int | None = CLIP) -> str:
    """Return what follows a str_replace."""
    shown = numbered(snippet, f"a snippet of {path}", first_line, clip)
    return f"The file {path} has been edited. {shown}{REVIEW}. Edit the file again if necessary."


def inserted(path: str, snippet: str, first_line: int, clip: int | None = CLIP) -> str:
    """Return what follows an insert."""
    shown = numbered(snippet, "a snippet of the edited file", first_line, clip)
    care = "(correct indentation, no duplicate lines, etc)"
    return f"The file {path} has been edited. {shown}{REVIEW} {care}. Edit the file again if necessary."


def undone(path: str, content: str | None, clip: int | None = CLIP) -> str:
    """Return what follows an undo; None stands for a file that is gone again."""
    text = f"Last edit to {path} undone successfully. "
    return text + (numbered(content, path, clip=clip) if content is not None else "The file does not exist any more.")
