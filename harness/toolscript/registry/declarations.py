"""Decides how tools look in TypeScript: declarations for prompts, completion and documentation."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Sequence

from toolscript.errors import Json
from toolscript.registry.ambient import AMBIENT, SPAWN, TAKEN
from toolscript.registry.tool import Tool, ToolSpec

IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*\Z")


def declarations(tools: Iterable[Tool], *, lazy: bool = False, documented: bool = False) -> str:
    """Return the facade as TypeScript declarations, byte-stable for the same tools.

    Tools marked lazy are left out unless ``lazy``; ``tools.search`` finds them. Results with a title, and the
    arguments of tools that may get some by position, become named interfaces. ``documented`` says of each argument
    what it is, for editors; prompts go without.
    """
    shown = sorted((t.spec for t in tools if lazy or not t.spec.lazy), key=lambda s: s.path)
    names = _Names(shown)
    tree: dict[str, Json] = {}
    for spec in shown:
        node = tree
        for part in spec.namespace:
            node = node.setdefault(part, {})
        node[spec.name] = spec
    flat = "".join(f'declare const {s.name}: Tools["{s.name}"];\n' for s in shown if s.flat)
    interfaces = names.interfaces(documented=documented)
    return f"{AMBIENT}{interfaces}interface Tools {{\n{_members(tree, names, 1)}}}\n{SPAWN}{flat}"


class _Names:
    """The interfaces of some tools: named where a name says more than the shape, and none twice."""

    def __init__(self, specs: Sequence[ToolSpec]) -> None:
        self._named: dict[str, dict[str, Json]] = {}
        for spec in specs:
            name, schema, _ = _named_part(spec.output.schema)
            if schema.get("properties") and IDENTIFIER.match(name) and name not in TAKEN:
                self._named.setdefault(name, schema)
        for spec in specs:
            if _more(spec) and (name := _args_name(spec)) not in TAKEN:
                self._named.setdefault(name, spec.input.schema)

    def result(self, spec: ToolSpec) -> str:
        """Return the type of a tool's result."""
        name, schema, many = _named_part(spec.output.schema)
        return f"{name}{many}" if self._named.get(name) == schema else type_of(spec.output.schema)

    def arguments(self, spec: ToolSpec) -> str:
        """Return the type of a tool's arguments."""
        name = _args_name(spec)
        return name if _more(spec) and self._named.get(name) == spec.input.schema else type_of(spec.input.schema)

    def interfaces(self, *, documented: bool) -> str:
        """Return the declarations of all interfaces, by name."""
        body = _documented if documented else type_of
        return "".join(f"interface {name} {body(schema)}\n" for name, schema in sorted(self._named.items()))


def _named_part(schema: dict[str, Json]) -> tuple[str, dict[str, Json], str]:
    """Return the part of a result that can have a name, its name, and what stands behind the name: ``[]`` for many."""
    items = schema.get("items")
    reference = items.get("$ref", "") if isinstance(items, dict) else ""
    name = str(reference).removeprefix("#/$defs/")
    definition = schema.get("$defs", {}).get(name) if name else None
    if schema.get("type") == "array" and isinstance(definition, dict):
        return name, {**definition, "$defs": schema["$defs"]}, "[]"
    return str(schema.get("title", "")), schema, ""


def _args_name(spec: ToolSpec) -> str:
    return f"{spec.name[:1].upper()}{spec.name[1:]}Args"


def _more(spec: ToolSpec) -> bool:
    """Say whether a tool that gets arguments by position has others, too."""
    return bool(spec.positional) and len(spec.input.schema.get("properties", {})) > len(spec.positional)


def _documented(schema: dict[str, Json]) -> str:
    """Return an object's type with a comment on each property that has a description."""
    required = set(schema.get("required", ()))
    lines = []
    for name, sub in schema.get("properties", {}).items():
        lines.append(_doc(str(sub.get("description", "")) if isinstance(sub, dict) else "", 1))
        lines.append(f"  {_key(name)}{_mark(name, required)}: {_property(sub, schema, 0)};\n")
    return "{\n" + "".join(lines) + "}"


def declaration(spec: ToolSpec) -> str:
    """Return one tool's declaration with its whole doc comment and examples."""
    examples = "".join(f"\n@example {e}" for e in spec.examples)
    given, result = type_of(spec.input.schema), type_of(spec.output.schema)
    return f"{_doc(spec.doc + examples, 0)}tools.{spec.path}({_parameters(spec, given)}): Promise<{result}>;"


def type_of(schema: Json, root: Json = None, indent: int = 0) -> str:
    """Return the TypeScript type that a JSON schema describes; what it cannot say becomes ``any``."""
    root = schema if root is None else root
    if schema is True or not isinstance(schema, dict) or not schema:
        return "any"
    if "$ref" in schema:
        return _referenced(schema["$ref"], root, indent)
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(v) for v in schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " | ".join(dict.fromkeys(type_of(s, root, indent) for s in schema[union]))
    return _by_type(schema, root, indent)


def _by_type(schema: dict[str, Json], root: Json, indent: int) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_by_type({**schema, "type": k}, root, indent) for k in kind)
    match kind:
        case "string" | "boolean" | "null":
            return str(kind)
        case "integer" | "number":
            return "number"
        case "array":
            return _array(schema, root, indent)
        case "object":
            return _object(schema, root, indent)
        case _:
            return _object(schema, root, indent) if "properties" in schema else "any"


def _array(schema: dict[str, Json], root: Json, indent: int) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(type_of(s, root, indent) for s in schema['prefixItems'])}]"
    item = type_of(schema.get("items", True), root, indent)
    return f"({item})[]" if " | " in item else f"{item}[]"


def _object(schema: dict[str, Json], root: Json, indent: int) -> str:
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    if not properties:
        return f"Record<string, {type_of(extra, root, indent) if isinstance(extra, dict) else 'any'}>"
    required = set(schema.get("required", ()))
    parts = [f"{_key(name)}{_mark(name, required)}: {_property(sub, root, indent)}" for name, sub in properties.items()]
    return f"{{ {'; '.join(parts)} }}"


def _mark(name: str, required: set[str]) -> str:
    return "" if name in required else "?"


def _property(schema: Json, root: Json, indent: int) -> str:
    """Return a property's type; what may be null may as well be left out, and then `?` says enough."""
    if isinstance(schema, dict) and "default" in schema and schema["default"] is None:
        choices = [s for s in schema.get("anyOf", ()) if s != {"type": "null"}]
        return " | ".join(dict.fromkeys(type_of(s, root, indent) for s in choices)) or "any"
    return type_of(schema, root, indent)


def _referenced(reference: str, root: Json, indent: int) -> str:
    # A recursive schema would never end; eight levels say enough to a reader.
    if indent > 8 or not reference.startswith("#/"):
        return "any"
    target = root
    for part in reference[2:].split("/"):
        target = target.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(target, dict) else {}
    return type_of(target, root, indent + 1)


def _key(name: str) -> str:
    return name if IDENTIFIER.match(name) else json.dumps(name)


def _members(tree: dict[str, Json], names: _Names, depth: int) -> str:
    pad = "  " * depth
    text = ""
    for name, node in tree.items():
        if isinstance(node, ToolSpec):
            text += _doc(node.doc, depth) + "".join(f"{pad}{form}\n" for form in _forms(node, names))
        else:
            text += f"{pad}{_key(name)}: {{\n{_members(node, names, depth + 1)}{pad}}};\n"
    return text


def _forms(spec: ToolSpec, names: _Names) -> list[str]:
    """Return the ways to call a tool: arguments by position, these with the others in an object, and one object.

    The object comes last, since types made from overloads look at the last one.
    """
    name, result, given = _key(spec.name), names.result(spec), names.arguments(spec)
    whole = _form(name, [p] if (p := _parameters(spec, given)) else [], result)
    if not spec.positional:
        return [whole]
    properties = spec.input.schema.get("properties", {})
    required = set(spec.input.schema.get("required", ()))
    keys = [to_camel_key(p, properties) for p in spec.positional]
    listed = [
        f"{_key(k)}{_mark(k, required)}: {_property(properties.get(k, True), spec.input.schema, 0)}" for k in keys
    ]
    options = f"more{'?' if len(keys) == 1 or keys[-1] in required else ''}: Partial<{given}>"
    if not _more(spec):
        return [_form(name, listed, result), whole]
    if len(keys) == 1 or keys[-1] in required:
        return [_form(name, [*listed, options], result), whole]
    return [_form(name, listed, result), _form(name, [listed[0], options], result), whole]


def _form(name: str, parameters: list[str], result: str) -> str:
    return f"{name}({', '.join(parameters)}): Promise<{result}>;"


def to_camel_key(name: str, properties: dict[str, Json]) -> str:
    """Return the facade's spelling of an argument that may be given in snake_case."""
    if name in properties:
        return name
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _parameters(spec: ToolSpec, given: str) -> str:
    schema = spec.input.schema
    optional = "" if schema.get("required") else "?"
    if not schema.get("properties"):
        return "" if schema.get("additionalProperties") is False else "args?: Record<string, any>"
    return f"args{optional}: {given}"


def _doc(text: str, depth: int) -> str:
    pad = "  " * depth
    # Tool descriptions can come from servers: none may close the comment.
    lines = textwrap.dedent(text).strip().replace("*/", "*\u200b/").splitlines()
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{pad}/** {lines[0]} */\n"
    return f"{pad}/**\n" + "".join(f"{pad} * {line}".rstrip() + "\n" for line in lines) + f"{pad} */\n"
