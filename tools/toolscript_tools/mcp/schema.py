"""Decides how far a server's schemas are believed: cleaned for readers, checked within a budget, never fetched from.

A schema comes from the server. It may be huge, recursive, wrong, or made to keep a validator busy for ever; so
patterns are not run, references lead nowhere but into the schema itself, and a check that costs too much or cannot be
made passes: the server judges its own arguments in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import create
from referencing import Registry

from toolscript.errors import InvalidArguments, Json
from toolscript.registry.shape import Shape
from toolscript_tools.mcp.clean import clean
from toolscript_tools.mcp.reading import readable

STEPS = 100_000
SHOWN = 10

_DATA = ("const", "enum", "default", "required")
_KEYWORDS = (
    "$ref", "additionalProperties", "allOf", "anyOf", "const", "enum", "exclusiveMaximum", "exclusiveMinimum", "if",
    "items", "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum",
    "not", "oneOf", "prefixItems", "properties", "propertyNames", "required", "type",
)  # fmt: skip

Problem = tuple[str, str]
"""Where a value does not fit, and how."""

Check = Callable[[Json], list[Problem]]


def input_shape(tool: str, schema: Json) -> Shape:
    """Return the shape of a tool's arguments; what is given is passed on unchanged."""
    known = readable(schema)
    known = {**known, "type": "object", "properties": known.get("properties", {})}
    check = _checker(known)

    def checked(value: Json) -> Json:
        value = {} if value is None else value
        problems = [("", "an object is wanted")] if not isinstance(value, dict) else check(value)
        if problems:
            listed = "; ".join(f"{where or 'arguments'}: {message}" for where, message in problems)
            errors = [{"argument": where, "message": message} for where, message in problems]
            raise InvalidArguments(f"{tool}: {listed}", tool=tool, details={"errors": errors})
        return value

    return Shape(schema=known, check=checked, dump=lambda value: value)


def output_shape(schema: Json) -> Shape:
    """Return the shape of a tool's result: its content, and what it is structured as where the server says so."""
    # Declarations are read by models: what all tools share gets a name, and structure makes blocks unimportant.
    block: Json = {"type": "object"} if isinstance(schema, dict) else _BLOCK
    content: Json = {"type": "array", "items": block, "description": "What the tool answered, block by block"}
    whole: dict[str, Json] = {"type": "object", "properties": {"content": content}, "required": ["content"]}
    if isinstance(schema, dict):
        inner = _moved(readable(schema))
        for name in ("$defs", "definitions"):
            if name in inner:
                whole[name] = inner.pop(name)
        whole["properties"]["structuredContent"] = inner
        whole["required"].append("structuredContent")
    else:
        whole["title"] = "McpResult"
    return Shape(schema=whole, check=lambda value: value, dump=lambda value: value)


def output_check(schema: Json) -> Check:
    """Return a check of structured content: where and how it is not what the server declared, nothing where it is."""
    return _checker(readable(schema)) if isinstance(schema, dict) else lambda value: []


_BLOCK: Json = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["text", "image", "audio", "resource_link", "resource"]},
        "text": {"type": "string"},
        "data": {"type": "string", "description": "base64"},
        "mimeType": {"type": "string"},
        "uri": {"type": "string"},
        "name": {"type": "string"},
        "resource": {"type": "object", "description": "{uri, mimeType?, text?, blob?}"},
        "handle": {"type": "string", "description": "instead of large data: for readOutput"},
        "bytes": {"type": "integer"},
    },
    "required": ["type"],
}


def _moved(schema: Json) -> Json:
    """Return the schema for its new place: references to its own definitions stay, others become open."""
    if isinstance(schema, list):
        return [_moved(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and not reference.startswith(("#/$defs/", "#/definitions/")):
        return {key: value for key, value in schema.items() if key == "description"}
    return {key: value if key in _DATA else _moved(value) for key, value in schema.items()}


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


def _checker(schema: Json) -> Check:
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
    return where[:200], clean(error.message, 300)
