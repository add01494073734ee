from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError

from toolscript import misfits
from toolscript.errors import InvalidArguments, ToolError
from toolscript.registry.function import tool

ROOT = Path(__file__).parents[2]


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("an odd number of legs")
    return value


class Animal(BaseModel):
    name: str
    legs: Annotated[int, AfterValidator(_even)]


def unfit(kind: object, value: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return caught.value


def test_what_our_checks_say_is_told_in_their_words_and_at_its_place() -> None:
    error = unfit(list[Animal], [{"name": "ant", "legs": 5}, {"legs": 4}])
    assert misfits.problems(error) == [("0.legs", "an odd number of legs"), ("1.name", "Field required")]
    assert misfits.told(error) == "0.legs: an odd number of legs; 1.name: Field required"
    assert misfits.told(error, most=1) == "0.legs: an odd number of legs"


def test_a_value_that_is_wrong_as_a_whole_has_the_name_that_it_is_given() -> None:
    assert misfits.told(unfit(Animal, 3)).startswith("Input should be")
    assert misfits.told(unfit(Animal, 3), whole="the file").startswith("the file: Input should be")


@pytest.mark.anyio
async def test_a_function_whose_result_is_not_what_it_declares_says_so_in_the_words_of_the_check() -> None:
    @tool(name="legs")
    def legs() -> Annotated[int, AfterValidator(_even)]:
        """Count."""
        return 3

    with pytest.raises(ToolError, match=r"its result is not what it declares: result: an odd number of legs$"):
        await legs.call(legs.spec.input.check({}), None)  # type: ignore[arg-type]


def test_no_other_place_reads_the_messages_of_pydantic() -> None:
    reading = re.compile(r"Value error|\[\"msg\"\]|\['msg'\]")
    rooms = ("harness", "tools", "kernel", "extension")
    found = {path.name for room in rooms for path in (ROOT / room).rglob("*.py") if reading.search(path.read_text())}
    assert found == {"misfits.py", "configuration.py"}, "only misfits tells; configuration asks it for single messages"


def test_what_a_function_says_of_its_arguments_beside_their_types_is_checked() -> None:
    @tool(name="walk")
    def walk(legs: Annotated[int, AfterValidator(_even)]) -> None:
        """Walk."""

    with pytest.raises(InvalidArguments, match=r"walk: legs: an odd number of legs$"):
        walk.spec.input.parse("walk", {"legs": 3})
