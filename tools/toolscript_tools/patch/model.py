"""Decides what a parsed patch is: hunks over files, chunks over lines, all values frozen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """One edit within a file: ``old`` lines to be found, ``new`` lines to stand there afterwards.

    ``context`` is the text after ``@@``: one line that must come before. ``kept`` pairs the index in ``old`` with
    the index in ``new`` of each context line. ``end_of_file`` ties the old lines to the end of the file.
    """

    context: str | None
    old: tuple[str, ...]
    new: tuple[str, ...]
    kept: tuple[tuple[int, int], ...] = ()
    end_of_file: bool = False


@dataclass(frozen=True, slots=True)
class AddFile:
    """Create ``path``, or overwrite it."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Remove ``path``."""

    path: str


@dataclass(frozen=True, slots=True)
class UpdateFile:
    """Edit ``path``; with ``move_to`` the result is written there and ``path`` is removed."""

    path: str
    move_to: str | None
    chunks: tuple[Chunk, ...]


Hunk = AddFile | DeleteFile | UpdateFile


@dataclass(frozen=True, slots=True)
class Patch:
    """What a patch asks for; ``text`` is the accepted text, without here-document lines around it."""

    hunks: tuple[Hunk, ...]
    environment_id: str | None
    text: str
