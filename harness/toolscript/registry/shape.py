"""Decides how the input and output of a tool are described, checked and written as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import TypeAdapter, ValidationError

from toolscript import misfits
from toolscript.errors import InvalidArguments, Json

Check = Callable[[Json], Any]
Dump = Callable[[Any], Json]


@dataclass(frozen=True, slots=True)
class Shape:
    """A JSON schema with the functions that check a JSON value against it and write one back.

    ``schema`` names arguments as scripts do (camelCase), ``structured`` as structured calls do (snake_case).
    """

    schema: dict[str, Json]
    check: Check
    dump: Dump
    snake_case: dict[str, Json] | None = None

    @property
    def structured(self) -> dict[str, Json]:
        """The schema for structured calls; a foreign one is the same for both."""
        return self.schema if self.snake_case is None else self.snake_case

    @classmethod
    def of(cls, kind: Any) -> Shape:
        """Return the shape of a pydantic model, or of anything that pydantic can describe."""
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        return cls(
            schema=adapter.json_schema(by_alias=True),
            # Past the adapter's own methods, which only hand on what they are given.
            check=adapter.validator.validate_python,
            dump=partial(adapter.serializer.to_python, mode="json", by_alias=True, exclude_none=True),
            snake_case=adapter.json_schema(by_alias=False),
        )

    @classmethod
    def of_schema(cls, schema: dict[str, Json]) -> Shape:
        """Return the shape that a stranger's JSON schema describes; values stay plain JSON.

        Nothing is fetched, patterns are not run, and a check that costs too much or cannot be made passes.
        """
        # Imported here: it takes most of a second where all of its formats are installed, and few runs need it.
        from toolscript.registry.foreign import checker

        problems = checker(schema)

        def check(value: Json) -> Json:
            if found := problems(value):
                raise _Unfit(found)
            return value

        return cls(schema=schema, check=check, dump=lambda value: value)

    def parse(self, tool: str, value: Json) -> Any:
        """Return the checked input; raises InvalidArguments naming each argument that does not fit."""
        try:
            return self.check(value)
        except ValidationError as error:
            raise _invalid(tool, misfits.problems(error)) from None
        except _Unfit as error:
            raise _invalid(tool, error.problems) from None


class _Unfit(Exception):
    """A value does not fit a foreign schema: where and how, problem by problem."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(str(problems))
        self.problems = problems


def _invalid(tool: str, problems: list[tuple[str, str]]) -> InvalidArguments:
    listed = "; ".join(f"{name or 'arguments'}: {message}" for name, message in problems)
    errors = [{"argument": name, "message": message} for name, message in problems]
    return InvalidArguments(f"{tool}: {listed}", tool=tool, details={"errors": errors})
