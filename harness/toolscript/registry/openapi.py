"""Decides how tools look as a REST interface: an OpenAPI 3.1 document, one operation for each tool."""

from __future__ import annotations

from collections.abc import Iterable

from toolscript.errors import Json
from toolscript.registry.tool import Tool, ToolSpec

DATA = frozenset({"const", "default", "enum", "example", "examples"})
"""Keys of a schema below which there are values, not schemas."""
NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
"""Keys of a schema below which there are schemas by names of their owner's choice."""

_ERROR: dict[str, Json] = {
    "type": "object",
    "description": "Why a call failed. Nothing was changed unless details say so.",
    "properties": {
        "name": {"type": "string"},
        "code": {"type": "string", "description": "Which kind of failure: not_found, invalid_arguments …"},
        "tool": {"type": "string"},
        "message": {"type": "string"},
        "details": {"type": "object"},
    },
    "required": ["name", "code", "message"],
}
_JSON = "application/json"


def openapi(tools: Iterable[Tool], *, version: str) -> dict[str, Json]:
    """Return the document, byte-stable for the same tools; ``version`` is that of the interface.

    ``POST /tools/NAME`` takes a tool's arguments and gives its output, spelt as in scripts. The operation's id is the
    name for structured calls. ``x-effect`` and ``x-approval`` say what the tool does and when it asks, ``x-packs``
    and ``x-lazy`` who sees it.
    """
    specs = sorted((tool.spec for tool in tools), key=lambda spec: spec.path)
    schemas: dict[str, Json] = {"Error": _ERROR}
    for spec in specs:
        for part, shape in (("input", spec.input), ("output", spec.output)):
            name = f"{spec.wire_name}.{part}"
            schemas[name] = _placed(shape.schema, f"#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "toolscript tools", "version": version},
        "paths": {f"/tools/{'/'.join((*spec.namespace, spec.name))}": {"post": _operation(spec)} for spec in specs},
        "components": {"schemas": schemas},
    }


def _operation(spec: ToolSpec) -> dict[str, Json]:
    text = " ".join(spec.doc.split("\n\n")[0].split())
    operation: dict[str, Json] = {
        "operationId": spec.wire_name,
        "summary": text.split(". ")[0].rstrip("."),
        "description": spec.doc,
        "requestBody": {"required": True, "content": _content(f"{spec.wire_name}.input")},
        "responses": {
            "200": {"description": "What the tool gave.", "content": _content(f"{spec.wire_name}.output")},
            "default": {"description": "The call failed or was denied.", "content": _content("Error")},
        },
        "x-effect": spec.effect.value,
        "x-approval": spec.ask.value,
        "x-packs": sorted(spec.packs),
        "x-lazy": spec.lazy,
    }
    return operation | ({"tags": [spec.namespace[-1]]} if spec.namespace else {})


def _content(schema: str) -> Json:
    return {_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _placed(schema: Json, place: str) -> Json:
    """Return a schema whose references to itself hold at its place in the document; one with an id keeps its own."""
    match schema:
        case dict() if "$id" in schema:
            return schema
        case dict():
            return {key: _value(key, value, place) for key, value in schema.items()}
        case list():
            return [_placed(item, place) for item in schema]
        case _:
            return schema


def _value(key: str, value: Json, place: str) -> Json:
    if key in DATA:
        return value
    if key in NAMED and isinstance(value, dict):
        return {name: _placed(schema, place) for name, schema in value.items()}
    if key == "$ref" and isinstance(value, str):
        return place + value.removeprefix("#") if value == "#" or value.startswith("#/") else value
    return _placed(value, place)
