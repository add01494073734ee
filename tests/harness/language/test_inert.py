"""Text from tools opens and closes nothing of ours, and hides nothing from whoever approves it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolscript.language.detector import Prose, detect
from toolscript.language.inert import ELEMENTS, fenced, hidden, inert, visible, visible_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<tool-calls>x</tool-calls>", "&lt;tool-calls>x&lt;/tool-calls>"),
        ("</original-user-prompt>", "&lt;/original-user-prompt>"),
        ("<Script src=1>", "&lt;Script src=1>"),
        ("< / ORIGINAL-user-prompt >", "&lt; / ORIGINAL-user-prompt >"),
        ("<tool\u200b-calls>", "&lt;tool\u200b-calls>"),
        ("<\u00adscript>", "&lt;\u00adscript>"),
        ("\uff1ctool-calls\uff1e", "&lt;tool-calls\uff1e"),
        ("<t\u043e\u043el\u2011calls>", "&lt;t\u043e\u043el\u2011calls>"),
        ("<\uff53\uff43ript>", "&lt;\uff53\uff43ript>"),
        ("<s\ncript>", "&lt;s\ncript>"),
        ("<script/>", "&lt;script/>"),
        ("<<script>", "<&lt;script>"),
        ("<script", "&lt;script"),
        ("<scripture>", "<scripture>"),
        ("<tool-calls-x>", "<tool-calls-x>"),
        ("a < b && c > d", "a < b && c > d"),
        ("<b>bold</b>", "<b>bold</b>"),
        ("&lt;tool-calls>", "&lt;tool-calls>"),
    ],
)
def test_our_elements_lose_their_bracket_in_any_spelling(text: str, shown: str):
    assert inert(text) == shown


def test_other_elements_can_be_named():
    assert inert("<b>x</b>", ["b"]) == "&lt;b>x&lt;/b>"


@given(
    st.lists(
        st.sampled_from(["<", "</", "tool-calls", ">", "script", " ", "\n", "x", "\u200b", "original-user-prompt"])
    )
)
def test_inert_text_holds_no_script_and_stays_as_it_is(parts: list[str]):
    text = inert("".join(parts))

    assert all(isinstance(piece, Prose) for piece in detect(text))
    assert not any(tag in text for name in ELEMENTS for tag in (f"<{name}>", f"</{name}>"))
    assert inert(text) == text


@given(st.text())
def test_a_fence_holds_any_text(text: str):
    block = fenced(text, "ts")
    fence = block[: len(block) - len(block.lstrip("`"))]

    assert block.startswith(f"{fence}ts\n{text}")
    assert fence not in text
    assert block.endswith(f"\n{fence}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("./\u0430pp", "./<U+0430>pp"),
        ("\u0440\u0430ypal.com", "<U+0440><U+0430>ypal.com"),
        ("\u0430\u0440\u0440\u04cf\u0435", "<U+0430><U+0440><U+0440><U+04CF><U+0435>"),
        ("safe\u202e fr- mr", "safe<U+202E> fr- mr"),
        ("hi\U000e0072\U000e006d", "hi<U+E0072><U+E006D>"),
        ("rm\u200b -rf /etc/\u2060passwd", "rm<U+200B> -rf /etc/<U+2060>passwd"),
        ("evil #\x1b[2K\x1b[1G ls -la", "evil #<U+001B>[2K<U+001B>[1G ls -la"),
        ("a\rb\x9bc\x7f", "a<U+000D>b<U+009B>c<U+007F>"),
        ("a\u00a0b\u3164c\u034f", "a<U+00A0>b<U+3164>c<U+034F>"),
        ("\ud800\x00", "<U+D800><U+0000>"),
        ("\u212fxec \ufb01le", "<U+212F>xec <U+FB01>le"),
        ("line\n\tline", "line\n\tline"),
        ("привет мир", "привет мир"),
        ("日本.txt naïve café ß 😀", "日本.txt naïve café ß 😀"),
    ],
)
def test_what_hides_or_deceives_is_written_out(text: str, shown: str):
    assert visible(text) == shown


def test_line_breaks_can_be_shown_on_one_line():
    assert visible_line("ls\r\n\nrm\r\t") == "ls⏎⏎rm<U+000D><U+0009>"


def test_what_was_hidden_is_listed_with_names_and_counts():
    assert hidden("a\u202eb\u202e ./\u0430pp\n") == [
        "U+202E RIGHT-TO-LEFT OVERRIDE ×2",
        "U+0430 CYRILLIC SMALL LETTER A ×1",
    ]
    assert hidden("plain 日本\n") == []


@given(st.text(st.characters()))
def test_nothing_invisible_is_left(text: str):
    assert all(c.isprintable() for c in visible(text, keep=""))


@given(st.text("\r\n\x1b\u202eаa ⏎"))
def test_a_shown_line_is_one_printable_line(text: str):
    assert visible_line(text).isprintable()
