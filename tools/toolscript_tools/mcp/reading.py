"""Decides how much of a server's schema is taken over: known keywords of the right form, texts cleaned, bounded."""

from __future__ import annotations

import json
from collections.abc import Callable

from toolscript.errors import Json
from toolscript_tools.mcp.clean import clean

LARGEST = 128 * 1024
"""Bytes of a schema as JSON; a larger one is left out of prompts and checks."""

DEEPEST = 40
EXPANDED = 5_000
"""Parts of a schema with its references followed as far as a reader follows them."""

FOLLOWED = 8

OPEN: dict[str, Json] = {"type": "object", "properties": {}}
"""The schema of a tool that gives none that can be used."""

_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_SCHEMAS = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
_BY_NAME = ("$defs", "definitions", "patternProperties", "properties")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_NUMBERS = (
    "exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf", "maxItems", "maxLength",
    "maxProperties", "minItems", "minLength", "minProperties",
)  # fmt: skip


def readable(schema: Json) -> dict[str, Json]:
    """Return what can be used of a schema; an open one where it is too large, too deep or of no known form."""
    try:
        if isinstance(schema, dict) and len(json.dumps(schema)) <= LARGEST:
            taken = _schema(schema, 0)
            if isinstance(taken, dict) and _Size(taken).of(taken, 0) <= EXPANDED:
                return taken
    except (RecursionError, ValueError, TypeError):
        pass
    return dict(OPEN)


def _schema(schema: Json, depth: int) -> Json:
    if not isinstance(schema, dict):
        return schema if isinstance(schema, bool) else True
    if depth > DEEPEST:
        return True
    taken: dict[str, Json] = {}
    for key, value in schema.items():
        if key in _BY_NAME and isinstance(value, dict):
            taken[key] = {name: _schema(inner, depth + 1) for name, inner in value.items()}
        elif key in _LISTS and isinstance(value, list) and value:
            taken[key] = [_schema(inner, depth + 1) for inner in value]
        elif key in _SCHEMAS and isinstance(value, dict | bool):
            taken[key] = _schema(value, depth + 1)
        elif key == "items" and isinstance(value, list) and value:
            taken["prefixItems"] = [_schema(inner, depth + 1) for inner in value]
        elif (keep := _KEEP.get(key)) is not None and (kept := keep(value)) is not None:
            taken[key] = kept
    return taken


def _text(value: Json) -> Json:
    return clean(value, 1_000) if isinstance(value, str) else None


def _type(value: Json) -> Json:
    if isinstance(value, list):
        known = [kind for kind in value if kind in _TYPES]
        return known if known and len(known) == len(value) else None
    return value if isinstance(value, str) and value in _TYPES else None


def _names(value: Json) -> Json:
    return value if isinstance(value, list) and all(isinstance(name, str) for name in value) else None


def _values(value: Json) -> Json:
    return value if isinstance(value, list) and value else None


def _reference(value: Json) -> Json:
    # Nothing is fetched: a reference leads into the schema itself or nowhere.
    return value if isinstance(value, str) and value.startswith("#") else None


def _number(value: Json) -> Json:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _short(value: Json) -> Json:
    return value if isinstance(value, str) and len(value) <= 500 else None


_KEEP: dict[str, Callable[[Json], Json]] = {
    "$ref": _reference,
    "const": lambda value: value,
    "default": lambda value: value,
    "description": _text,
    "enum": _values,
    "format": _short,
    "pattern": _short,
    "required": _names,
    "title": _text,
    "type": _type,
    **dict.fromkeys(_NUMBERS, _number),
}


class _Size:
    """Counts the parts of a schema as a reader sees it who follows references a few levels deep."""

    def __init__(self, root: dict[str, Json]) -> None:
        self._root = root
        self._known: dict[tuple[str, int], int] = {}

    def of(self, schema: Json, level: int) -> int:
        if isinstance(schema, list):
            return sum(self.of(inner, level) for inner in schema)
        if not isinstance(schema, dict):
            return 1
        reference = schema.get("$ref")
        here = self._behind(reference, level) if isinstance(reference, str) else 0
        return 1 + here + sum(self.of(inner, level) for key, inner in schema.items() if key != "$ref")

    def _behind(self, reference: str, level: int) -> int:
        if level >= FOLLOWED:
            return 1
        key = (reference, level)
        if key not in self._known:
            target: Json = self._root
            for part in reference.lstrip("#/").split("/"):
                name = part.replace("~1", "/").replace("~0", "~")
                target = target.get(name) if isinstance(target, dict) else None
            self._known[key] = self.of(target, level + 1)
        return self._known[key]
