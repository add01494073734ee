"""Decides what a file becomes under the chunks of an update, byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from toolscript_tools.patch.edits import Edit, spliced
from toolscript_tools.patch.failures import failed
from toolscript_tools.patch.lines import bare, preferred_ending, split
from toolscript_tools.patch.model import Chunk
from toolscript_tools.patch.seek import Block, Seeker


@dataclass(frozen=True, slots=True)
class Updated:
    """A file's new content, with the edits that lead there from ``split(old)``: ascending, none overlapping."""

    content: bytes
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """Where a chunk stands, with the lines that really matched."""

    start: int
    old: Block
    new: Block
    kept: tuple[tuple[int, int], ...] = ()


def update(content: bytes, chunks: Sequence[Chunk], name: str) -> Updated:
    """Return the content after all chunks, which stand in the file's order. Matched context keeps its exact bytes.

    New lines get the file's first line ending; the result ends with a newline unless it is empty. Raises ToolError
    (``no_match``) naming the file as ``name``.
    """
    lines = split(content)
    placer = _Placer([bare(line) for line in lines], chunks, name, preserve=True)
    newline = preferred_ending(lines)
    places = sorted(placer.places(), key=lambda found: found.start)
    edits = _terminated(lines, [edit for found in places for edit in _runs(found, newline)], newline)
    return Updated(b"".join(spliced(lines, edits)), tuple(edits))


def update_legacy(content: bytes, chunks: Sequence[Chunk], name: str) -> bytes:
    """Return the content as older patch tools leave it: matched context takes the patch's spelling and LF endings.

    A blank last line is taken for the final newline and lost.
    """
    lines = content.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    places = sorted(_Placer(lines, chunks, name, preserve=False).places(), key=lambda found: found.start)
    # Chunks tied to the end may overlap others. From the bottom up, what lies below is a stack of finished lines.
    below: list[bytes] = []
    reached = len(lines)
    for found in reversed(places):
        below.extend(reversed(lines[found.start : reached]))
        reached = min(found.start, reached)
        del below[max(0, len(below) - len(found.old)) :]
        below.extend(reversed(found.new))
    result = lines[:reached] + below[::-1]
    if not result or result[-1] != b"":
        result.append(b"")
    return b"\n".join(result)


class _Placer:
    """Finds the chunks of one file, one after the other."""

    def __init__(self, lines: list[bytes], chunks: Sequence[Chunk], name: str, *, preserve: bool) -> None:
        self._lines = lines
        self._name = name
        self._preserve = preserve
        self._chunks = [(chunk, _encoded(chunk.old), _encoded(chunk.new)) for chunk in chunks]
        self.seeker = Seeker(lines, list(self._blocks()))

    def places(self) -> list[_Found]:
        """Return where each chunk stands, in the order of the chunks."""
        cursor = 0
        places = []
        for chunk, old, new in self._chunks:
            if chunk.context is not None:
                cursor = self._after_context(chunk.context, cursor)
            if not old:
                places.append(_Found(self._end(), (), new))
                continue
            found = self._locate(chunk, old, new, cursor)
            cursor = found.start + len(found.old)
            places.append(found)
        return places

    def _blocks(self) -> list[Block]:
        blocks: list[Block] = []
        for chunk, old, _ in self._chunks:
            if chunk.context is not None:
                blocks.append((chunk.context.encode(),))
            if not chunk.end_of_file:
                blocks.append(old)
                if old and old[-1] == b"":
                    blocks.append(old[:-1])
        return blocks

    def _after_context(self, context: str, cursor: int) -> int:
        hit = self.seeker.find((context.encode(),), cursor)
        if hit is None:
            raise failed(f"Failed to find context '{context}' in {self._name}", "no_match", path=self._name)
        return hit + 1

    def _locate(self, chunk: Chunk, old: Block, new: Block, cursor: int) -> _Found:
        hit = self._seek(chunk, old, cursor)
        if hit is None and old[-1] == b"":
            # A blank line at the end of a chunk is often just the gap before the next header.
            old = old[:-1]
            new = new[:-1] if new and new[-1] == b"" else new
            hit = self._seek(chunk, old, cursor)
        if hit is None:
            wanted = "\n".join(chunk.old)
            raise failed(f"Failed to find expected lines in {self._name}:\n{wanted}", "no_match", path=self._name)
        kept = tuple((i, j) for i, j in chunk.kept if i < len(old) and j < len(new))
        return _Found(hit, old, new, kept)

    def _seek(self, chunk: Chunk, block: Block, cursor: int) -> int | None:
        if chunk.end_of_file and block:
            return self.seeker.find_at_end(block, cursor if self._preserve else 0)
        return self.seeker.find(block, cursor)

    def _end(self) -> int:
        if not self._preserve and self._lines and self._lines[-1] == b"":
            return len(self._lines) - 1
        return len(self._lines)


def _encoded(lines: Sequence[str]) -> Block:
    return tuple(line.encode() for line in lines)


def _runs(found: _Found, newline: bytes) -> list[Edit]:
    """Return one edit for each run of lines between matched context, so that context is never touched."""
    edits = []
    old_at = new_at = 0
    for old_next, new_next in (*found.kept, (len(found.old), len(found.new))):
        if old_next > old_at or new_next > new_at:
            added = tuple(line + newline for line in found.new[new_at:new_next])
            edits.append(Edit(found.start + old_at, old_next - old_at, added))
        old_at, new_at = old_next + 1, new_next + 1
    return edits


def _terminated(lines: list[bytes], edits: list[Edit], newline: bytes) -> list[Edit]:
    """Return the edits with one more where the last line lacks its ending and is kept."""
    last = len(lines) - 1
    if not lines or bare(lines[last]) != lines[last]:
        return edits
    before = [edit for edit in edits if edit.start + edit.count <= last]
    if any(edit.start <= last < edit.start + edit.count for edit in edits):
        return edits
    after = edits[len(before) :]
    return [*before, Edit(last, 1, (lines[last] + newline,)), *after]
