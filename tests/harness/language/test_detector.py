"""A reply is told apart into prose and scripts, however it streams in, and nothing of it is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.language.replies import Reply, comparable, in_chunks, rebuilt, replies, told

from toolscript.errors import ScriptFormatError
from toolscript.language.detector import Detector, FormatProblem, Prose, ScriptFound, ScriptOpened, detect
from toolscript.language.forms import ACCEPTED_FORM

CASES = replies()
MEGABYTE = 1_000_000
LENGTH = 100_000


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_reply_holds_these_scripts_and_problems(case: Reply):
    pieces = detect(case.reply)

    assert told(pieces) == case.found
    assert rebuilt(pieces) == case.reply


def test_the_corpus_is_large():
    assert len(CASES) >= 150


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_reply_in_single_characters_is_the_same_reply(case: Reply):
    assert comparable(in_chunks(case.reply)) == comparable(detect(case.reply))


@pytest.mark.parametrize("case", [c for c in CASES if len(c.reply) < 80], ids=lambda c: c.name)
def test_a_reply_cut_anywhere_is_the_same_reply(case: Reply):
    whole = comparable(detect(case.reply))

    for cut in range(len(case.reply) + 1):
        assert comparable(in_chunks([case.reply[:cut], case.reply[cut:]])) == whole


FRAGMENTS = st.sampled_from(
    [
        "<tool-calls>", "</tool-calls>", "<script>", "</script>", "<script a>", "\n", "\r\n", " ", "`", "```", "~~~",
        "```ts\n",
        "'", '"', "${", "}", "{", "(", ")", "/", "//", "/*", "*/", "\\", "a", "return", "if", "=>", "<", "!", "+",
        "- ", "1. ",
        "#", "x / y", "/re/", "[", "]", "😀", "é", "\u2028", "-->", "\\u{61}", "function", "class A ", ";", "await",
    ]
)  # fmt: skip
REPLIES = st.lists(FRAGMENTS | st.sampled_from([case.reply for case in CASES if len(case.reply) < 200])).map("".join)


@settings(deadline=None, max_examples=400)
@given(text=REPLIES, data=st.data())
def test_no_cutting_changes_what_is_read(text: str, data: st.DataObject):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert comparable(in_chunks(chunks)) == comparable(detect(text))


@settings(deadline=None, max_examples=400)
@given(text=REPLIES | st.text())
def test_no_character_of_a_reply_is_lost(text: str):
    assert rebuilt(detect(text)) == text


@settings(deadline=None, max_examples=200)
@given(text=REPLIES)
def test_the_source_of_a_script_stands_at_its_offset(text: str):
    for piece in detect(text):
        if isinstance(piece, ScriptFound | FormatProblem) and piece.tag:
            assert text[piece.offset :].startswith(piece.source)


def test_prose_streams_out_as_it_comes():
    detector = Detector()

    assert detector.feed("Let me ") == [Prose("Let me ")]
    assert detector.feed("look") == [Prose("look")]
    assert detector.feed("\n<tool-") == [Prose("\n")]
    assert detector.feed("box>") == [Prose("<tool-box>")]


def test_a_script_is_given_out_with_the_last_character_of_its_closing_tag():
    detector = Detector()

    assert detector.feed("<script>") == [ScriptOpened()]
    assert detector.feed("\nreturn 1\n</script") == []
    assert detector.feed(">") == [ScriptFound("\nreturn 1\n", 8, "script")]
    assert detector.finish() == []


def test_an_error_shows_the_accepted_form():
    (_, problem) = detect("<tool-calls>return 1")

    assert isinstance(problem, FormatProblem)
    assert isinstance(problem.error, ScriptFormatError)
    assert ACCEPTED_FORM in problem.error.message
    assert told(detect(ACCEPTED_FORM))[0].startswith("run:")


def test_a_hidden_closing_tag_is_mentioned():
    *_, problem = detect("<tool-calls>return 1 // done</tool-calls>")

    assert isinstance(problem, FormatProblem)
    assert "comment" in problem.error.message


LONG = {
    "prose": "Some words with `code` and *stars*.\n" * (LENGTH // 34),
    "tags in prose": "a <tool-calls> b\n" * (LENGTH // 16),
    "scripts": "<tool-calls>\nreturn 1\n</tool-calls>\n" * (LENGTH // 37),
    "scripts on one line": "<script>a</script>" * (LENGTH // 18),
    "one script": "<script>\n" + "const a = `x${b}` / 2; // it's\n" * (LENGTH // 31) + "</script>",
    "a template": "<script>\n`" + "<tool-calls>\n" * (LENGTH // 13) + "`\n</script>",
    "unclosed comments": "<tool-calls>\n/* x\n</tool-calls>\n" * (LENGTH // 32),
    "unclosed templates": "<tool-calls>\n`${\n</tool-calls>\n" * (LENGTH // 31),
    "failing expressions": "<script>\na > " + "/[" * (LENGTH // 2) + "\n</script>",
    "failing expressions on many lines": "<script>\n" + "a > /[/[/[/[/[/[/[/[/[/[\n" * (LENGTH // 25) + "</script>",
    "slashes": "<script>" + "/" * LENGTH,
    "backticks": "`" * LENGTH,
    "brackets": "\n<" * (LENGTH // 2),
    "half tags": "\n<tool-call" * (LENGTH // 11),
    "one word": "<script>" + "a" * LENGTH,
    "open brackets": "<script>" + "{" * LENGTH,
    "fences": "```\n<tool-calls>\n" * (LENGTH // 17),
    "digits": "1" * LENGTH,
    "backslashes": "\\" * LENGTH,
}


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("size", [LENGTH, 10_007], ids=["whole", "chunks"])
def test_work_grows_with_the_reply_and_not_faster(name: str, size: int):
    text = LONG[name]
    detector = Detector()
    for start in range(0, len(text), size):
        detector.feed(text[start : start + size])
    detector.finish()

    assert detector.work <= 20 * len(text)


def test_ten_megabytes_are_read_in_linear_work():
    line = 'I use `code` here.\n<tool-calls>\nconst a = `x${"</tool-calls>"}`; return a / 2 // it\'s\n</tool-calls>\n'
    detector = Detector()
    found = 0
    for _ in range(100):
        found += sum(isinstance(p, ScriptFound) for p in detector.feed(line * (MEGABYTE // 10 // len(line))))

    assert detector.work <= 3 * 10 * MEGABYTE
    assert found == 100 * (MEGABYTE // 10 // len(line))


def test_single_characters_do_not_make_the_work_grow_faster():
    text = "<script>\na > /[" + "x" * 20_000 + "\n`" + "y" * 20_000 + "${" + "z" * 20_000 + "}`\n</script>"
    detector = Detector()
    for character in text:
        detector.feed(character)

    assert detector.work <= 20 * len(text)
