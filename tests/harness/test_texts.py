"""How JSON of strangers is read: alike in every version of Python."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolscript.texts import DEEPEST, loads, too_deep

VALUES = st.recursive(
    st.none() | st.text('[]{}"\\a', max_size=8),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text('[{"\\'), v),
)


def depth(value: object) -> int:
    match value:
        case list():
            return 1 + max(map(depth, value), default=0)
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case _:
            return 0


@given(VALUES, st.integers(0, 6))
def test_a_text_is_too_deep_exactly_where_its_value_is(value, most):
    assert too_deep(json.dumps(value), most) == (depth(value) > most)


@pytest.mark.parametrize("levels", [DEEPEST, DEEPEST + 1, 100_000])
def test_the_bound_is_a_number_of_ours(levels):
    assert too_deep("[" * levels + "]" * levels) == (levels > DEEPEST)


@pytest.mark.parametrize("text", ["[" * 100_000, '"' + "[" * 1000, '["\\' + "[" * 1000, "[" * 600 + '"' + "]" * 600])
def test_what_is_no_json_is_an_error_and_no_crash(text):
    too_deep(text)
    with pytest.raises(ValueError):
        loads(text)
