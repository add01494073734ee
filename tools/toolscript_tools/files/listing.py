"""Decides what listDir takes, returns and shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import AliasChoices, Field

from toolscript import units
from toolscript.errors import OutputTooLarge, ToolError
from toolscript.registry.classification import Classification, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.files import Entry, Files, Place
from toolscript.registry.shape import Shape
from toolscript.registry.tool import ToolModel, ToolSpec
from toolscript_tools.files.effects import (
    below,
    check_cancelled,
    classify_read,
    display,
    in_thread,
    invalid,
    is_text,
    naming,
    place_of,
)

SHOWN_ENTRIES = 25
MAX_ENTRIES = 200_000
MARKS = {"directory": "/", "symlink": "@", "other": "?"}


class ListDirInput(ToolModel):
    """Which directory to list, and how much of it."""

    path: str = Field(
        ".",
        validation_alias=AliasChoices("path", "dirPath", "dir_path"),
        description="relative to the working directory, or absolute",
    )
    offset: int | None = Field(None, description="number of the first entry, from 1", json_schema_extra={"minimum": 1})
    limit: int | None = Field(None, description="how many entries; default: all", json_schema_extra={"minimum": 1})
    depth: int = Field(2, description="how many levels of directories", json_schema_extra={"minimum": 1})


class DirEntry(ToolModel):
    """One entry; its path can be given to the other file tools as it stands."""

    path: str
    type: Literal["file", "directory", "symlink", "other"]
    size: int = Field(description="bytes of a file, 0 for anything else")


class Listing(list[DirEntry]):
    """Entries with what their text needs: the directory, each path in it, and whether there are more."""

    def __init__(self, entries: list[DirEntry], directory: str, names: list[str], more: bool) -> None:
        super().__init__(entries)
        self.directory = directory
        self.names = names
        self.more = more


class ListDir:
    """Lists a directory, level by level; hidden files are listed, links are not followed."""

    spec = ToolSpec(
        name="listDir",
        doc="List a directory and those in it, down to `depth` levels, sorted by path. Links are not followed.",
        effect=Effect.READ,
        input=Shape.of(ListDirInput),
        output=Shape.of(list[DirEntry]),
        positional=("path",),
        flat=True,
        examples=('const files = (await listDir("src")).filter(e => e.type === "file");',),
    )

    async def classify(self, arguments: ListDirInput, context: ToolContext) -> Classification:
        """Say which directory would be listed."""
        _check(arguments)
        return await classify_read(context, arguments.path, "list")

    async def call(self, arguments: ListDirInput, context: ToolContext) -> list[DirEntry]:
        """Return the entries. Raises ToolError ``not_found``, ``not_a_directory``, OutputTooLarge."""
        _check(arguments)
        with naming("listDir", "failed to read directory"):
            place = await place_of(context, arguments.path)
            return await in_thread(_list, arguments, context, place)

    def render(self, arguments: ListDirInput, output: list[DirEntry]) -> str:
        """Return the tree by indentation, at most 25 entries unless a limit was given."""
        directory = getattr(output, "directory", arguments.path)
        names = getattr(output, "names", None) or [entry.path for entry in output]
        shown = output[: arguments.limit or SHOWN_ENTRIES]
        lines = [f"Absolute path: {directory}"]
        for entry, name in zip(shown, names, strict=False):
            level, _, last = name.rpartition("/")
            indent = "  " * (level.count("/") + 1 if level else 0)
            lines.append(f"{indent}{last}{MARKS.get(entry.type, '')}")
        if len(shown) < len(output) or getattr(output, "more", False):
            lines.append(f"More than {len(shown)} entries found")
        return "\n".join(lines)


def _check(arguments: ListDirInput) -> None:
    if arguments.offset is not None and arguments.offset < 1:
        raise invalid("listDir", "offset", "offset must be a 1-indexed entry number")
    if arguments.limit is not None and arguments.limit < 1:
        raise invalid("listDir", "limit", "limit must be greater than zero")
    if arguments.depth < 1:
        raise invalid("listDir", "depth", "depth must be greater than zero")


def _list(arguments: ListDirInput, context: ToolContext, place: Place) -> Listing:
    found = sorted(_entries(context.files, place, arguments.depth), key=lambda pair: pair[0].encode())
    start = (arguments.offset or 1) - 1
    if found and start >= len(found):
        raise invalid("listDir", "offset", "offset exceeds directory entry count")
    page = found[start : start + arguments.limit] if arguments.limit else found[start:]
    size = sum(len(entry.path) + 48 for _, entry in page)
    base = display(place.path, context.cwd)
    size += len(page) * (0 if base == "." else len(base) + 1)
    if size > context.max_output_bytes:
        raise OutputTooLarge(
            f"the {len(page)} entries have more than {units.size(context.max_output_bytes)}; "
            "list them in parts with offset and limit, or with a smaller depth",
            tool="listDir",
            details={"entries": len(page), "limit": context.max_output_bytes, "arguments": ["offset", "limit"]},
        )
    entries = [entry.model_copy(update={"path": _joined(base, entry.path)}) for _, entry in page]
    return Listing(entries, str(place.path), [name for name, _ in page], start + len(page) < len(found))


def _joined(base: str, name: str) -> str:
    return name if base == "." else f"{base.rstrip('/')}/{name}"


def _entries(files: Files, place: Place, depth: int) -> Iterator[tuple[str, DirEntry]]:
    pending: list[tuple[Place, str, int]] = [(place, "", 1)]
    count = 0
    while pending:
        check_cancelled()
        directory, prefix, level = pending.pop()
        for entry in _read(files, directory, top=directory is place):
            if not is_text(entry.name):
                continue
            name = prefix + entry.name
            count += 1
            if count > MAX_ENTRIES:
                raise OutputTooLarge(f"more than {MAX_ENTRIES} entries; list a directory further down")
            kind = entry.kind if entry.kind != "missing" else "other"
            yield name, DirEntry(path=name, type=kind, size=entry.size if kind == "file" else 0)
            if kind == "directory" and level < depth:
                pending.append((below(directory, entry.name, kind), f"{name}/", level + 1))


def _read(files: Files, directory: Place, *, top: bool) -> Iterator[Entry]:
    try:
        yield from files.entries(directory)
    except ToolError as error:
        # A directory below that was moved meanwhile, or lies too deep to be named, has no entries; an unreadable one
        # is an error.
        if top or error.code not in ("not_found", "not_a_directory", "changed", "bad_path"):
            raise
