"""The text of a patch: what is accepted, what is refused with which words, and text that streams in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tools.patch.table import CASES, rows

from toolscript_tools.patch import AddFile, DeleteFile, Hunk, InvalidPatch, StreamingParser, parse


def facts(hunk: Hunk) -> list[Any]:
    if isinstance(hunk, AddFile):
        return ["add", hunk.path, hunk.content]
    if isinstance(hunk, DeleteFile):
        return ["delete", hunk.path]
    chunks = [
        [c.context, list(c.old), list(c.new), [list(pair) for pair in c.kept], c.end_of_file] for c in hunk.chunks
    ]
    return ["update", hunk.path, hunk.move_to, chunks]


@pytest.mark.parametrize("row", rows("parse"))
def test_a_patch_text_gives_its_hunks_or_the_first_thing_wrong(row: dict[str, Any]) -> None:
    if "error" in row:
        with pytest.raises(InvalidPatch) as caught:
            parse(row["text"], lenient=row["lenient"])
        assert [caught.value.reason, caught.value.line] == row["error"]
        return
    patch = parse(row["text"], lenient=row["lenient"])
    assert [facts(hunk) for hunk in patch.hunks] == row["hunks"]
    assert patch.environment_id == row.get("environment")
    if "text" in row and row["lenient"]:
        assert parse(patch.text, lenient=False) == patch


@pytest.mark.parametrize("row", rows("stream"))
def test_text_that_streams_in_gives_the_hunks_of_its_complete_lines(row: dict[str, Any]) -> None:
    parser = StreamingParser()
    for piece, outcome in zip(row["pieces"], row["outcomes"], strict=True):
        if "error" in outcome:
            with pytest.raises(InvalidPatch) as caught:
                parser.finish() if piece == "FINISH" else parser.push(piece)
            assert [caught.value.reason, caught.value.line] == outcome["error"]
            continue
        parser.finish() if piece == "FINISH" else parser.push(piece)
        assert [facts(hunk) for hunk in parser.hunks()] == outcome["hunks"]


@given(
    st.sampled_from([row["text"] for row in CASES["parse"] if "hunks" in row and "<<" not in row["text"]]), st.data()
)
def test_the_boundaries_of_streamed_pieces_do_not_matter(text: str, data: st.DataObject) -> None:
    parser = StreamingParser()
    text = text.strip()
    while text:
        size = data.draw(st.integers(1, len(text)))
        parser.push(text[:size])
        text = text[size:]

    assert parser.finish() == parser.hunks()


def test_separators_that_python_alone_calls_white_space_are_text() -> None:
    with pytest.raises(InvalidPatch, match="first line"):
        parse("\x1c*** Begin Patch\n*** Delete File: a\n*** End Patch")


def test_text_after_the_end_marker_is_refused() -> None:
    with pytest.raises(InvalidPatch, match="last line"):
        parse("*** Begin Patch\n*** Delete File: a\n*** End Patch\nmore\n*** End Patch")


def test_a_lone_surrogate_is_refused_since_no_file_can_hold_it() -> None:
    with pytest.raises(InvalidPatch, match="lone surrogate on line 3"):
        parse("*** Begin Patch\n*** Add File: a\n+\ud800\n*** End Patch")


def test_an_invalid_patch_says_where_for_tool_and_executable() -> None:
    with pytest.raises(InvalidPatch) as caught:
        parse("*** Begin Patch\nbad\n*** End Patch")

    assert caught.value.message.startswith("invalid hunk at line 2, 'bad' is not a valid hunk header")
    assert caught.value.for_executable.startswith("Invalid patch hunk on line 2: 'bad' is not")
    assert caught.value.to_json()["code"] == "invalid_hunk"
