"""Decides what readFile takes, returns and shows."""

from __future__ import annotations

import base64
from typing import Literal

from pydantic import AliasChoices, Field

from toolscript import units
from toolscript.errors import OutputTooLarge, ToolError
from toolscript.registry.classification import Classification, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.shape import Shape
from toolscript.registry.tool import ToolModel, ToolSpec
from toolscript_tools.files.effects import classify_read, in_thread, invalid, naming, place_of
from toolscript_tools.files.lines import FileText, indentation_block, read_slice, too_large

SHOWN_LINES = 2000
SHOWN_LINE_BYTES = 500
BLOCK_FILE_BYTES = 64 * 1024 * 1024
_PATH_NAMES = AliasChoices("path", "filePath", "file_path")


class Indentation(ToolModel):
    """How a block is grown around a line by its indentation."""

    anchor_line: int | None = Field(default=None, description="the line the block is built around; default: offset")
    max_levels: int = Field(default=0, description="how many levels of outer blocks to include; 0: all of them")
    include_siblings: bool = Field(default=False, description="include blocks beside it at the same depth")
    include_header: bool = Field(default=True, description="include comments directly above the block")
    max_lines: int | None = Field(default=None, description="at most so many lines; default: limit")


class ReadFileInput(ToolModel):
    """Which lines of which file."""

    path: str = Field(validation_alias=_PATH_NAMES, description="relative to the working directory, or absolute")
    offset: int | None = Field(None, description="number of the first line, from 1", json_schema_extra={"minimum": 1})
    limit: int | None = Field(None, description="how many lines; default: all", json_schema_extra={"minimum": 1})
    mode: Literal["slice", "indentation"] = Field("slice", description="lines in a row, or the block around a line")
    indentation: Indentation | None = Field(None, description="for mode indentation")
    encoding: Literal["utf-8", "base64"] = Field(
        "utf-8", description="base64 returns the bytes of the whole file; in utf-8 bad bytes become U+FFFD"
    )


class ReadFile:
    """Reads a text file: for scripts its exact text, for structured calls numbered lines."""

    spec = ToolSpec(
        name="readFile",
        doc="Read a file. Returns its exact text, or the lines that offset and limit name. "
        "Mode `indentation` returns the block around a line.",
        effect=Effect.READ,
        input=Shape.of(ReadFileInput),
        output=Shape.of(str),
        positional=("path", "offset", "limit"),
        flat=True,
        examples=(
            'const text = await readFile("src/a.ts");',
            "await readFile({path: 'big.log', offset: 100, limit: 20})",
        ),
    )

    async def classify(self, arguments: ReadFileInput, context: ToolContext) -> Classification:
        """Say which path would be read."""
        _check(arguments)
        return await classify_read(context, arguments.path, "read")

    async def call(self, arguments: ReadFileInput, context: ToolContext) -> str:
        """Return the text. Raises ToolError ``not_found``, ``is_directory``, ``not_a_file``, OutputTooLarge."""
        _check(arguments)
        place = await place_of(context, arguments.path)

        def work() -> str:
            with context.files.open(place) as file:
                cap = context.max_output_bytes
                if arguments.encoding == "base64":
                    return _encoded(file.read(cap), file.read(1), cap)
                if arguments.mode == "indentation":
                    return _block(file.read(BLOCK_FILE_BYTES + 1), arguments, cap)
                return read_slice(file, arguments.offset, arguments.limit, cap)

        with naming("readFile", "failed to read file"):
            return await in_thread(work)

    def render(self, arguments: ReadFileInput, output: str) -> str:
        """Return numbered lines, each cut at 500 bytes, at most 2 000 unless a limit was given."""
        if arguments.encoding == "base64":
            return output
        first = getattr(output, "first", arguments.offset or 1)
        lines = split_lines(output)[: arguments.limit or SHOWN_LINES]
        if not lines:
            return "offset exceeds file length" if arguments.mode == "slice" else ""
        return "\n".join(f"L{number}: {_cut(line)}" for number, line in enumerate(lines, first))


def split_lines(text: str) -> list[str]:
    """Return the lines of a text without their ends: LF, or one CR before it."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _check(arguments: ReadFileInput) -> None:
    if arguments.offset is not None and arguments.offset < 1:
        raise invalid("readFile", "offset", "offset must be a 1-indexed line number")
    if arguments.limit is not None and arguments.limit < 1:
        raise invalid("readFile", "limit", "limit must be greater than zero")
    block = arguments.indentation
    if arguments.mode == "indentation" and block is not None:
        if block.anchor_line is not None and block.anchor_line < 1:
            raise invalid("readFile", "indentation.anchorLine", "anchor_line must be a 1-indexed line number")
        if block.max_lines is not None and block.max_lines < 1:
            raise invalid("readFile", "indentation.maxLines", "max_lines must be greater than zero")
        if block.max_levels < 0:
            raise invalid("readFile", "indentation.maxLevels", "max_levels must not be negative")


def _block(data: bytes, arguments: ReadFileInput, cap: int) -> FileText:
    if len(data) > BLOCK_FILE_BYTES:
        raise ToolError(
            f"the file has more than {units.size(BLOCK_FILE_BYTES)}; read it with offset and limit",
            code="file_too_large",
        )
    how = arguments.indentation or Indentation()
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    lines = lines if lines[-1] else lines[:-1]
    anchor = how.anchor_line or arguments.offset or 1
    if anchor > len(lines):
        raise invalid("readFile", "indentation.anchorLine", "anchor_line exceeds file length")
    limit = arguments.limit or SHOWN_LINES
    texts = [line.decode("utf-8", "replace").rstrip("\n").removesuffix("\r") for line in lines]
    top, end = indentation_block(
        texts,
        anchor,
        min(limit, how.max_lines or limit),
        levels=how.max_levels,
        siblings=how.include_siblings,
        header=how.include_header,
    )
    text = FileText.of(b"".join(lines[top:end]), top + 1)
    if len(text.encode()) > cap:
        raise too_large(cap)
    return text


def _encoded(data: bytes, more: bytes, cap: int) -> str:
    text = base64.b64encode(data).decode()
    if more or len(text) > cap:
        raise OutputTooLarge(
            f"the file has more than {units.size(cap * 3 // 4)}, too many for base64 in one result; "
            "read text in parts with offset and limit",
            details={"limit": cap, "arguments": ["offset", "limit"]},
        )
    return text


def _cut(line: str) -> str:
    data = line.encode()
    return line if len(data) <= SHOWN_LINE_BYTES else data[:SHOWN_LINE_BYTES].decode("utf-8", "ignore")
