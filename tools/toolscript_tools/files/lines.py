"""Decides which lines of a file a reader gets, exactly as they are, however large the file is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from toolscript import units
from toolscript.errors import OutputTooLarge, ToolError
from toolscript_tools.files.effects import check_cancelled

CHUNK = 256 * 1024
TAB_WIDTH = 4
COMMENTS = ("#", "//", "--")


class FileText(str):
    """The text of some lines of a file; ``first`` is the number of the first one."""

    __slots__ = ("first",)
    first: int

    @classmethod
    def of(cls, data: bytes, first: int = 1) -> FileText:
        """Return bytes as text, what is not UTF-8 replaced by U+FFFD."""
        text = cls(data.decode("utf-8", "replace"))
        text.first = first
        return text


def read_slice(file: BinaryIO, offset: int | None, limit: int | None, cap: int) -> FileText:
    """Return ``limit`` lines from the ``offset``-th on, or all; never holds more than ``cap`` bytes.

    Raises ToolError ``offset exceeds file length``, and OutputTooLarge above the cap.
    """
    first = offset or 1
    pending = _skip(file, first - 1)
    if offset is not None and not pending:
        pending = file.read(CHUNK)
        if not pending:
            raise ToolError("offset exceeds file length", code="invalid_arguments")
    data = _take(file, pending, limit, cap)
    text = FileText.of(data, first)
    if len(text.encode()) > cap:
        raise too_large(cap)
    return text


def too_large(cap: int) -> OutputTooLarge:
    """Return the error that names the way out: reading in parts."""
    return OutputTooLarge(
        f"the lines have more than {units.size(cap)}; read them in parts with offset and limit",
        details={"limit": cap, "arguments": ["offset", "limit"]},
    )


def _skip(file: BinaryIO, lines: int) -> bytes:
    """Pass over lines; return what was read beyond them."""
    while lines > 0:
        check_cancelled()
        chunk = file.read(CHUNK)
        if not chunk:
            raise ToolError("offset exceeds file length", code="invalid_arguments")
        found = chunk.count(b"\n")
        if found >= lines:
            return chunk[_nth(chunk, lines) :]
        lines -= found
    return b""


def _take(file: BinaryIO, pending: bytes, limit: int | None, cap: int) -> bytes:
    parts: list[bytes] = []
    size, lines = 0, 0
    chunk = pending or file.read(CHUNK)
    while chunk:
        check_cancelled()
        found = chunk.count(b"\n")
        done = limit is not None and lines + found >= limit
        if done and limit is not None:
            chunk = chunk[: _nth(chunk, limit - lines)]
        parts.append(chunk)
        size, lines = size + len(chunk), lines + found
        if size > cap:
            raise too_large(cap)
        if done:
            break
        chunk = file.read(CHUNK)
    return b"".join(parts)


def _nth(chunk: bytes, count: int) -> int:
    """Return the position after the ``count``-th newline."""
    position = 0
    for _ in range(count):
        position = chunk.index(b"\n", position) + 1
    return position


def indentation_block(
    lines: Sequence[str], anchor: int, cap: int, *, levels: int, siblings: bool, header: bool
) -> tuple[int, int]:
    """Return the range (from 0, end excluded) of the lines that belong to the block around line ``anchor``.

    The block grows from the anchor one line up and one down in turn, while lines are indented at least as deep as
    ``levels`` levels above it (0: without bound). Of the lines just at that depth one is kept on each side, unless
    ``siblings``; above, with ``header``, comments too.
    """
    depths = _depths(lines)
    index = anchor - 1
    floor = max(0, depths[index] - levels * TAB_WIDTH) if levels else 0
    cap = min(cap, len(lines))
    if cap == 1:
        return index, index + 1
    top, end = index, index + 1
    up, down = index > 0, end < len(lines)
    above = below = 0
    while (up or down) and end - top < cap:
        if up:
            at = top - 1
            on_floor = depths[at] == floor and not siblings
            comment = header and lines[at].strip().startswith(COMMENTS)
            up = depths[at] >= floor and not (on_floor and above and not comment)
            if up:
                top, above = at, above + on_floor
                up = top > 0
        if down and end - top < cap:
            on_floor = depths[end] == floor and not siblings
            down = depths[end] >= floor and not (on_floor and below)
            if down:
                end, below = end + 1, below + on_floor
                down = end < len(lines)
    return _trimmed(lines, top, end)


def _depths(lines: Sequence[str]) -> list[int]:
    depths: list[int] = []
    current = 0
    for line in lines:
        if line.strip():
            blanks = line[: len(line) - len(line.lstrip(" \t"))]
            current = sum(TAB_WIDTH if c == "\t" else 1 for c in blanks)
        depths.append(current)
    return depths


def _trimmed(lines: Sequence[str], top: int, end: int) -> tuple[int, int]:
    while top < end and not lines[top].strip():
        top += 1
    while end > top and not lines[end - 1].strip():
        end -= 1
    return top, end
