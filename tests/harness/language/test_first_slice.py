"""What everything else stands on: a reply becomes scripts, a script becomes runnable JavaScript."""

from __future__ import annotations

import pytest

from toolscript.errors import Position, ScriptFormatError, ScriptSyntaxError, SourceTooLarge, UnsupportedTypeScript
from toolscript.language.blank import blank
from toolscript.language.detector import FormatProblem, Prose, ScriptFound, ScriptOpened, detect
from toolscript.language.parser import parse, script_hash
from toolscript.limits import Limits


def test_a_script_on_lines_of_its_own_is_found_between_its_prose():
    assert detect("Hi\n<tool-calls>\nreturn 1\n</tool-calls>\nbye") == [
        Prose("Hi\n"),
        ScriptOpened(),
        ScriptFound("\nreturn 1\n", 15, "tool-calls"),
        Prose("\nbye"),
    ]


def test_a_script_in_a_fence_is_not_run_and_one_hint_says_so():
    *_, hint = detect("```html\n<tool-calls>return 1</tool-calls>\n```")
    assert isinstance(hint, FormatProblem)
    assert hint.error.reason == "fenced"


def test_types_are_blanked_where_they_stand():
    assert blank("const f = <T,>(a: T): T => a as T") == "const f =     (a   )    => a     "


def test_an_enum_is_refused_with_its_place_and_an_alternative():
    with pytest.raises(UnsupportedTypeScript, match="const Name") as caught:
        blank("const a = 1\n  enum E { A }")
    assert caught.value.position == Position(2, 3)


def test_a_syntax_error_has_its_place():
    with pytest.raises(ScriptSyntaxError) as caught:
        blank("const a = 1\nconst = 2")
    assert caught.value.position is not None
    assert caught.value.position.line == 2


def test_a_fence_around_the_script_is_blanked():
    assert parse("\n```ts\nreturn 1\n```\n", Limits()).source == "\n     \nreturn 1\n   \n"


def test_a_pragma_tightens_limits_and_never_raises_them():
    assert parse('// @script: {"calls": 2}\nreturn 1', Limits()).limits.calls == 2
    with pytest.raises(ScriptFormatError, match="may be lowered"):
        parse('// @script: {"calls": 99}\nreturn 1', Limits())


def test_a_source_beyond_the_limit_is_refused():
    with pytest.raises(SourceTooLarge):
        parse("1" * 30_000, Limits())


def test_the_hash_is_that_of_the_source():
    assert parse("return 1", Limits()).script_hash == script_hash("return 1")
