from __future__ import annotations

from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console
from tests.harness.approvals.parts import command, request

from toolscript.approvals.brief import first, in_brief
from toolscript.approvals.folding import folded
from toolscript.approvals.prompting import panel, question
from toolscript.registry.classification import Classification, Effect

SENTENCE = "The installer is needed because the build cannot find its compiler, and it must write elsewhere."


@pytest.mark.parametrize("width", [20, 33, 70, 110])
@pytest.mark.parametrize(
    "line",
    [SENTENCE, "x" * 500, "a " * 300, " " * 200, "see " + "long/path/" * 60, "报告 " * 80, "", "e\u0301" * 90 + " end"],
)
def test_parts_fit_the_width_and_joined_are_the_line(line: str, width: int) -> None:
    parts = folded(line, width)
    assert "".join(parts) == line
    assert all(cell_len(part) <= width for part in parts)


@pytest.mark.parametrize("width", [20, 33, 70])
def test_no_word_that_has_room_on_a_line_is_broken(width: int) -> None:
    assert [word for part in folded(SENTENCE, width) for word in part.split()] == SENTENCE.split()


def test_a_word_wider_than_a_line_is_broken_at_a_seam_and_begins_where_there_is_room() -> None:
    assert folded("see one/two/three/four/five/six/seven", 20) == ["see one/two/three/", "four/five/six/seven"]
    assert folded("x" * 25, 20) == ["x" * 20, "x" * 5]


def test_a_million_characters_are_folded_a_part_at_a_time() -> None:
    assert len(folded("word " * 200_000, 70)) == -(-1_000_000 // 70)


def shown(width: int, *, full: bool = False) -> list[str]:
    asked = request(
        arguments={"command": ["bash", "-c", "make install && " + "./configure --prefix=/opt/there " * 4]},
        classification=command(
            summary="run bash -c 'make install && " + "./configure --prefix=/opt/there " * 4 + "' in sub",
            justification=SENTENCE,
        ),
        why="it wants to run without confinement", digest="f" * 64, script_hash="cafe" * 16,
        allowed_tools=("agent", "applyPatch", "describe", "exec", "fileSearch", "grepFiles"),
    )  # fmt: skip
    console = Console(width=width, record=True, file=StringIO())
    console.print(panel(asked, width=width, full=full))
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_what_and_why_first_and_the_rest_when_asked_for(width: int) -> None:
    lines = shown(width)
    text = "\n".join(lines)
    assert lines[1].startswith("│ What  run bash -c")
    assert text.index("What  ") < text.index("Why  ") < text.index("The script says  ")
    assert len(lines) <= 10
    for later in ("ffff", "cafe", "applyPatch", "Effect", "Argument"):
        assert later not in text
        assert later in "\n".join(shown(width, full=True))


@pytest.mark.parametrize("width", [80, 120])
def test_a_panel_breaks_lines_between_words_only(width: int) -> None:
    words = {word for line in shown(width, full=True) for word in line.strip("│ ").split()}
    known = {*SENTENCE.split(), "--prefix=/opt/there", "./configure", "grepFiles", "fileSearch,"}
    assert known <= words


def test_a_diff_stands_in_the_first_part_instead_of_the_arguments_it_tells() -> None:
    change = Classification(effect=Effect.WRITE, summary="apply a patch: M a", diff="-old\n+new", remember="a")
    titles = [section.title for section in first(request(tool="applyPatch", classification=change))]
    assert titles == ["What it would do", "Diff"]


def test_a_console_is_told_in_brief_under_the_name_of_the_tool() -> None:
    asked = request(arguments={"command": ["rm", "it"]}, classification=command(summary="run rm it"), why="dangerous")
    assert in_brief(asked) == "Tool: exec\nWhat it would do: run rm it\nWhy it asks: dangerous"


def test_the_question_is_broken_between_answers() -> None:
    asked = request(classification=command(remember="npm run something-rather-long"))
    lines = question(asked, others=3, width=80).split("\n")
    assert len(lines) > 1
    assert all(line.startswith("[") and len(line) <= 80 for line in lines)
    assert " ".join(lines) == question(asked, others=3)
