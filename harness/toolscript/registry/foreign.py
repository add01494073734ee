"""Decides how far a schema that strangers wrote is believed: checked within a budget, never fetched from.

It may be huge, recursive, wrong, or made to keep a validator busy for ever; so patterns are not run, references lead
nowhere but into the schema itself, and a check that costs too much or cannot be made passes: whoever wrote the schema
judges in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import create
from referencing import Registry

from toolscript.errors import Json

STEPS = 100_000
SHOWN = 10
_LONGEST_PLACE = 200
_LONGEST_MESSAGE = 1_200

_KEYWORDS = (
    "$ref", "additionalProperties", "allOf", "anyOf", "const", "enum", "exclusiveMaximum", "exclusiveMinimum", "if",
    "items", "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum",
    "not", "oneOf", "prefixItems", "properties", "propertyNames", "required", "type",
)  # fmt: skip

Problem = tuple[str, str]
"""Where a value does not fit, and how."""

Check = Callable[[Json], list[Problem]]


_steps: ContextVar[list[int]] = ContextVar("steps of the check that runs")


class _TooCostly(Exception):
    pass


def _counted(keyword: Any) -> Any:
    def run(validator: Any, value: Json, instance: Json, schema: Json) -> Iterator[Any]:
        steps = _steps.get()
        steps[0] += 1
        if steps[0] > STEPS:
            raise _TooCostly
        # Patterns are not run, so what they would allow must not count as additional.
        if keyword is not _ADDITIONAL or "patternProperties" not in schema:
            yield from keyword(validator, value, instance, schema) or ()

    return run


_ADDITIONAL = Draft202012Validator.VALIDATORS["additionalProperties"]
_Checker: Any = create(
    meta_schema={},
    validators={name: _counted(Draft202012Validator.VALIDATORS[name]) for name in _KEYWORDS},
    type_checker=Draft202012Validator.TYPE_CHECKER,
    id_of=lambda schema: "",
)


def checker(schema: Json) -> Check:
    """Return the check of a JSON schema (2020-12): where a value does not fit and how, at most ``SHOWN`` problems."""
    validator = _Checker(schema, registry=Registry())

    def check(value: Json) -> list[Problem]:
        token = _steps.set([0])
        try:
            return [_problem(error) for error, _ in zip(validator.iter_errors(value), range(SHOWN), strict=False)]
        except Exception:  # whatever a schema that is none makes of a validator
            return []
        finally:
            _steps.reset(token)

    return check


def _problem(error: ValidationError) -> Problem:
    where = ".".join(map(str, error.absolute_path))
    return where[:_LONGEST_PLACE], error.message[:_LONGEST_MESSAGE]
