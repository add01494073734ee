from __future__ import annotations

import hashlib
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from toolscript.approvals.digest import approval_digest, canonical_digest
from toolscript.errors import InvalidArguments


def digest(**changes: Any) -> str:
    facts: dict[str, Any] = {
        "run_id": "r1",
        "number": 1,
        "script_hash": "s",
        "tool": "exec",
        "schema": {"type": "object"},
        "arguments": {"command": ["ls"]},
        "cwd": "/w",
        "environment": {},
        "sandbox": "workspace-write",
        "before": {},
    }
    return approval_digest(**facts | changes)


def test_it_is_the_sha256_of_the_canonical_json() -> None:
    expected = hashlib.sha256(rfc8785.dumps({"value": {"b": 1, "a": [True, None, "x"]}, "spelled": []})).hexdigest()
    assert canonical_digest({"a": [True, None, "x"], "b": 1}) == expected


def test_the_order_of_keys_does_not_matter_and_the_order_of_items_does() -> None:
    assert canonical_digest({"a": 1, "b": 2}) == canonical_digest({"b": 2, "a": 1})
    assert canonical_digest([1, 2]) != canonical_digest([2, 1])


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "r2"},
        {"number": 2},
        {"script_hash": "t"},
        {"tool": "shell"},
        {"schema": {"type": "array"}},
        {"arguments": {"command": ["ls", "-l"]}},
        {"cwd": "/w/x"},
        {"environment": {"A": "1"}},
        {"sandbox": "danger-full-access"},
        {"before": {"/w/a": "0" * 64}},
        {"before": {"/w/a": None}},
    ],
    ids=lambda change: str(next(iter(change))),
)
def test_everything_that_consent_is_given_to_changes_it(change: dict[str, Any]) -> None:
    assert digest(**change) != digest()


def test_integers_beyond_2_to_the_53_are_told_apart_exactly() -> None:
    assert canonical_digest(2**53) != canonical_digest(2**53 + 1)
    assert canonical_digest(-(2**70)) != canonical_digest(2**70)


def test_a_large_integer_is_not_the_text_that_spells_it() -> None:
    assert canonical_digest(2**60) != canonical_digest(hex(2**60))


def test_text_with_a_lone_surrogate_is_not_its_spelling() -> None:
    assert canonical_digest("\ud800") != canonical_digest("d800")
    assert canonical_digest("\ud800") != canonical_digest("\ud801")


def test_paths_and_variables_with_bytes_that_are_no_utf8_are_bound_too() -> None:
    odd = "/w/\udcff"
    assert digest(before={odd: None}) != digest(before={"/w/\udcfe": None})
    assert digest(environment={odd: "1"}) != digest()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1: "x"}, {"\ud800": 1}, object()])
def test_what_json_cannot_carry_is_refused_naming_where(value: Any) -> None:
    with pytest.raises(InvalidArguments, match="exec: /"):
        digest(arguments={"deep": [value]})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, json_values)
def test_two_values_share_a_digest_only_if_they_are_equal(left: Any, right: Any) -> None:
    same = canonical_digest(left) == canonical_digest(right)
    assert same == (strict(left) == strict(right))


def strict(value: Any) -> Any:
    """The value with numbers as JSON knows them: 1 and 1.0 are one number, True is none."""
    match value:
        case bool() | None | str():
            return (type(value).__name__, value)
        case int() | float():
            return ("number", value)
        case list():
            return [strict(item) for item in value]
        case dict():
            return {key: strict(item) for key, item in value.items()}
