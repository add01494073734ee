"""What a file becomes: where blocks are found, and that every byte not named by the patch stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tools.patch.table import LEGACY, PRESERVE, rows, rows_by_mode

from toolscript.errors import ToolError
from toolscript_tools.patch import Chunk, UpdateFile, between, parse, seek, unified, update, update_legacy
from toolscript_tools.patch.edits import spliced
from toolscript_tools.patch.lines import bare, split


@pytest.mark.parametrize(("row", "mode"), rows_by_mode("seek"))
def test_a_block_is_found_by_the_strictest_pass_that_finds_it(row: dict[str, Any], mode: str) -> None:
    found = seek(row["lines"], row["block"], row["start"], end_of_file=row["end"], preserve=mode == PRESERVE)

    assert found == row["at"]


@pytest.mark.parametrize(("row", "mode"), rows_by_mode("update"))
def test_an_update_gives_exactly_these_bytes(row: dict[str, Any], mode: str) -> None:
    hunk = parse(row["patch"]).hunks[0]
    assert isinstance(hunk, UpdateFile)
    before = row["before"].encode()

    def run() -> bytes:
        if mode == LEGACY:
            return update_legacy(before, hunk.chunks, row["file"])
        return update(before, hunk.chunks, row["file"]).content

    if "error" in row:
        with pytest.raises(ToolError) as caught:
            run()
        assert caught.value.message == row["error"]
    else:
        assert run() == row["after"].encode()


@pytest.mark.parametrize("row", rows("diff"))
def test_the_diff_of_an_update(row: dict[str, Any]) -> None:
    hunk = parse(row["patch"]).hunks[0]
    assert isinstance(hunk, UpdateFile)
    updated = update(row["before"].encode(), hunk.chunks, "f.txt")

    assert updated.content == row["after"].encode()
    assert unified(split(row["before"].encode()), updated.edits, context=row["context"]) == row["diff"]


def chunks(*lines: str) -> tuple[Chunk, ...]:
    hunk = parse("\n".join(("*** Begin Patch", "*** Update File: f", *lines, "*** End Patch"))).hunks[0]
    assert isinstance(hunk, UpdateFile)
    return hunk.chunks


@pytest.mark.parametrize(
    ("before", "lines", "after"),
    [
        (b"a\rb\rc\r", ["@@", " a", "-b", "+B"], b"a\rB\rc\r"),
        (b"a\nb\r\nc", ["@@", " b", "+x"], b"a\nb\r\nx\nc\n"),
        (b"a\r\nb", ["@@", "+x"], b"a\r\nb\r\nx\r\n"),
        (b"a\x0cb\x85c\n", ["@@", "+x"], b"a\x0cb\x85c\nx\n"),
        (b"last\n", ["@@", "+appended", "@@", " last", "+after last"], b"last\nafter last\nappended\n"),
        (b"", ["@@", "+x"], b"x\n"),
        (b"\xef\xbb\xbfa\nb\n", ["@@", "-b", "+B"], b"\xef\xbb\xbfa\nB\n"),
    ],
    ids=["lone CR", "mixed endings", "no final newline", "other separators", "addition after edit", "empty", "BOM"],
)
def test_only_the_named_lines_change(before: bytes, lines: list[str], after: bytes) -> None:
    assert update(before, chunks(*lines), "f").content == after


def test_overlapping_chunks_tied_to_the_end_are_refused() -> None:
    with pytest.raises(ToolError, match="Failed to find expected lines in f:\none"):
        update(b"one\n", chunks("@@", "-one", "+first", "@@", "-one", "+second", "*** End of File"), "f")


line = st.sampled_from(["a", "b", " a", "a ", "", "–", "-"])
ending = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.lists(st.tuples(line, ending)), st.data())
def test_edits_and_content_tell_the_same(content: list[tuple[str, str]], data: st.DataObject) -> None:
    before = "".join(text + end for text, end in content).encode()
    old = [bare(whole).decode() for whole in split(before)]
    start = data.draw(st.integers(0, len(old)))
    stop = data.draw(st.integers(start, len(old)))
    new = data.draw(st.lists(line, min_size=1))
    lines = split(before)
    try:
        result = update(before, (Chunk(None, tuple(old[start:stop]), tuple(new)),), "f")
    except ToolError:
        pytest.fail("a block taken from the file stands in the file")

    assert b"".join(spliced(lines, result.edits)) == result.content


def naive_seek(lines: list[str], block: list[str], start: int) -> int | None:
    from toolscript_tools.patch.text import PASSES

    if not block:
        return start
    for key in PASSES:
        have, want = [key(x.encode()) for x in lines], [key(x.encode()) for x in block]
        for position in range(start, len(lines) - len(block) + 1):
            if have[position : position + len(block)] == want:
                return position
    return None


@given(st.lists(line, max_size=30), st.lists(line, max_size=4), st.integers(0, 12))
def test_the_indexed_search_finds_what_the_plain_one_finds(lines: list[str], block: list[str], start: int) -> None:
    expected = naive_seek(lines, block, start)

    assert seek(lines, block, start, end_of_file=False, preserve=True) == expected


lines = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n"]), max_size=12)


@given(lines, lines)
def test_a_description_of_a_change_leads_from_one_text_to_the_other(old: list[bytes], new: list[bytes]) -> None:
    edits = between(old, new)

    assert spliced(old, edits) == new
    assert sum(edit.count + len(edit.lines) for edit in edits) == len(old) + len(new) - 2 * longest_common(old, new)


def longest_common(old: list[bytes], new: list[bytes]) -> int:
    row = [0] * (len(new) + 1)
    for line in old:
        last = 0
        for at, other in enumerate(new, 1):
            last, row[at] = row[at], last + 1 if line == other else max(row[at], row[at - 1])
    return row[-1]


@given(lines, lines)
def test_a_diff_is_one_that_other_programs_take(old: list[bytes], new: list[bytes]) -> None:
    text = unified(old, between(old, new))

    assert replayed(old, text.encode().splitlines(keepends=True)) == new


def replayed(old: list[bytes], diff: list[bytes]) -> list[bytes]:
    """Apply a unified diff by its line numbers, as ``patch`` does."""
    result: list[bytes] = []
    at = 0
    for line in diff:
        if line.startswith(b"@@"):
            start, _, count = line.split()[1][1:].partition(b",")
            begin = int(start) - (0 if count == b"0" else 1)
            result.extend(old[at:begin])
            at = begin
        elif line.startswith(b"+"):
            result.append(line[1:])
        else:
            assert old[at] == line[1:]
            at += 1
            if line.startswith(b" "):
                result.append(line[1:])
    return result + old[at:]
