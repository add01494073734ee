"""Decides how far a server's schemas are believed: cleaned for readers, and checked as a stranger's are."""

from __future__ import annotations

from toolscript.errors import InvalidArguments, Json
from toolscript.registry import foreign
from toolscript.registry.foreign import Check
from toolscript.registry.shape import Shape
from toolscript_tools.mcp.clean import clean
from toolscript_tools.mcp.reading import readable

_DATA = ("const", "enum", "default", "required")


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


def _checker(schema: Json) -> Check:
    check = foreign.checker(schema)
    return lambda value: [(where, clean(message, 300)) for where, message in check(value)]
