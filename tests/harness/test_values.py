"""Values that are made quickly are as frozen, and as strict, as all others."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from toolscript.values import quick


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    number: int
    label: str = "none"
    parts: list[str] = field(default_factory=list)


def test_fields_are_given_by_name_and_the_rest_is_at_its_default():
    assert Parcel(number=1) == Parcel(number=1, label="none", parts=[])
    assert repr(Parcel(number=2, label="x")) == "Parcel(number=2, label='x', parts=[])"
    assert replace(Parcel(number=1, parts=["a"]), label="y") == Parcel(number=1, label="y", parts=["a"])


def test_what_a_factory_makes_is_made_for_each():
    assert Parcel(number=1).parts is not Parcel(number=1).parts


def test_they_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Parcel(number=1).number = 2


@pytest.mark.parametrize("given", [{}, {"number": 1, "colour": "red"}])
def test_missing_and_unknown_fields_are_refused(given):
    with pytest.raises(TypeError, match=r"Parcel\.__init__\(\)"):
        Parcel(**given)


def test_a_value_that_does_more_than_hold_its_fields_cannot_be_quick():
    with pytest.raises(TypeError, match="does more"):

        @quick
        @dataclass(frozen=True, slots=True, kw_only=True)
        class Checked:
            number: int

            def __post_init__(self) -> None:
                raise AssertionError
