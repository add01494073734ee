"""A script is taken out of its wrapping with every character where its author put it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolscript.errors import Position, ScriptFormatError, ScriptSyntaxError, SourceTooLarge, ToolscriptError
from toolscript.language.parser import parse, script_hash
from toolscript.limits import Limits

LIMITS = Limits()


def refusal(source: str, limits: Limits = LIMITS) -> ToolscriptError:
    with pytest.raises(ToolscriptError) as caught:
        parse(source, limits)
    return caught.value


def test_a_plain_script_stays_as_it_is():
    source = "// hi\nconst x = 1\r\nreturn `${x}`\n"
    parsed = parse(source, LIMITS)

    assert parsed.source == source
    assert parsed.limits == LIMITS
    assert parsed.allowed_tools is None
    assert parsed.script_hash == script_hash(source) == hashlib.sha256(source.encode()).hexdigest()


@pytest.mark.parametrize(
    ("source", "bare"),
    [
        ("\n```ts\nreturn 1\n```\n", "\n     \nreturn 1\n   \n"),
        ("```\nreturn 1\n```", "   \nreturn 1\n   "),
        ("~~~typescript\nreturn 1\n~~~", "             \nreturn 1\n   "),
        ("  ````ts\n  return `a`\n  ````  ", "        \n  return `a`\n        "),
        ("```ts\r\nreturn 1\r\n```\r\n", "     \r\nreturn 1\r\n   \r\n"),
        ("```ts\nreturn 1\n", "     \nreturn 1\n"),
        ("```ts\nconst a = `\n```\n`\n```", "     \nconst a = `\n```\n`\n   "),
        ("\ufeffreturn 1", " return 1"),
        ("\ufeff```ts\nreturn 1\n```", "      \nreturn 1\n   "),
        ("return '\ufeff'", "return '\ufeff'"),
        ("return `\n```\n`", "return `\n```\n`"),
    ],
)
def test_wrapping_becomes_blanks(source: str, bare: str):
    assert parse(source, LIMITS).source == bare
    assert len(bare) == len(source)


@pytest.mark.parametrize(
    ("pragma", "expected"),
    [
        ({"calls": 2}, {"calls": 2}),
        ({"guestSeconds": 0.5, "source_bytes": 400}, {"guest_seconds": 0.5, "source_bytes": 400}),
        ({"limits": {"calls": 3}}, {"calls": 3}),
        ({}, {}),
    ],
)
def test_a_pragma_tightens_limits(pragma: dict[str, Any], expected: dict[str, float]):
    parsed = parse(f"\n  // @script: {json.dumps(pragma)}\nreturn 1", LIMITS)

    assert parsed.limits == LIMITS.tightened(expected)


def test_a_pragma_in_a_fence_counts():
    assert parse('```ts\n// @script: {"calls": 1}\nreturn 1\n```', LIMITS).limits.calls == 1


def test_a_pragma_names_the_tools_that_a_run_may_use():
    parsed = parse('// @script: {"tools": ["readFile", "mcp.git.*"], "calls": 1}\nreturn 1', LIMITS)

    assert parsed.allowed_tools == ("readFile", "mcp.git.*")


def test_a_pragma_further_down_is_a_comment():
    assert parse('return 1\n// @script: {"calls": 1}', LIMITS).limits == LIMITS


@pytest.mark.parametrize(
    ("pragma", "says"),
    [
        ('{"calls": 33}', "may be lowered, not raised"),
        ('{"calls": 0}', "greater than zero"),
        ('{"calls": -1}', "greater than zero"),
        ('{"calls": 0.5}', "greater than zero"),
        ('{"calls": true}', "greater than zero"),
        ('{"calls": "2"}', "greater than zero"),
        ('{"calls": NaN}', "NaN"),
        ('{"guestSeconds": Infinity}', "Infinity"),
        ('{"guestSeconds": 1e999}', "may be lowered"),
        ('{"speed": 1}', "there is no limit 'speed'"),
        ('{"limits": 3}', "no object"),
        ('{"tools": "exec"}', "no list of tool names"),
        ('{"tools": ["a b"]}', "no list of tool names"),
        ("[1]", "no JSON object"),
        ("{", "no JSON object"),
        ("", "no JSON object"),
        ("[" * 9_000, "no JSON object"),
    ],
)
def test_an_unusable_pragma_says_why_and_where(pragma: str, says: str):
    error = refusal(f"\n// @script:{pragma}\nreturn 1")

    assert isinstance(error, ScriptFormatError)
    assert error.reason == "pragma"
    assert says in error.message
    assert error.position == Position(2, 12)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "empty"), (" \n", "empty"), ("// only this\n/* and this */", "empty"), ("```ts\n```", "empty"),
        ('{"tool": "exec"}', "json"), ('```json\n[{"tool": "exec"}]\n```', "json"),
        ("I will list the files.", "prose"), ("- list all files", "prose"),
    ],
)  # fmt: skip
def test_what_is_no_script_is_refused_with_the_accepted_form(source: str, reason: str):
    error = refusal(source)

    assert isinstance(error, ScriptFormatError)
    assert error.reason == reason
    assert "tools.exec(" in error.message


def test_a_source_is_measured_in_bytes():
    limits = Limits(source_bytes=10)

    assert parse("1" * 10, limits).source == "1" * 10
    for source in ("1" * 11, "'" + "é" * 5):
        error = refusal(source, limits)
        assert isinstance(error, SourceTooLarge)
        assert (error.allowed, error.used) == (10, 11)


def test_a_pragma_can_lower_the_size_of_its_own_source():
    assert isinstance(refusal('// @script: {"sourceBytes": 20}\nreturn 1'), SourceTooLarge)


def test_ten_megabytes_are_refused_unread():
    assert isinstance(refusal("return 1; // " + "x" * 10_000_000), SourceTooLarge)


@pytest.mark.parametrize(
    ("source", "position"),
    [
        ("a\n b\0", (2, 3)), ("'\ud800'", (1, 2)), ("é\n\udfff", (2, 1)), ("a\rb", (1, 2)), ("a\u2028b", (1, 2)),
        ("// a\u2029b", (1, 5)), ("a\n<!-- b", (2, 1)), ("a\n  --> b", (2, 3)), ("/* */ --> b", (1, 7)),
    ],
)  # fmt: skip
def test_characters_that_are_read_in_two_ways_are_refused(source: str, position: tuple[int, int]):
    error = refusal(source)

    assert isinstance(error, ScriptSyntaxError)
    assert error.position == Position(*position)


@pytest.mark.parametrize(
    "source", ["'a\u2028b'", "`\u2029`", "/* \u2028 */ 1", "while (n --> 0) {}", "'<!--'", "/-->/", "`\n-->`"]
)
def test_the_same_characters_are_welcome_where_they_are_text(source: str):
    assert parse(source, LIMITS).source == source


@given(st.text())
def test_any_text_is_taken_in_place_or_refused_with_a_typed_error(source: str):
    try:
        parsed = parse(source, LIMITS)
    except ToolscriptError:
        return
    assert len(parsed.source) == len(source)
    assert all(new in (old, " ") for old, new in zip(source, parsed.source, strict=True))
