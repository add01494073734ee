"""Decides how tools look in TypeScript: declarations for prompts, completion and documentation."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable

from toolscript.errors import Json
from toolscript.registry.tool import Tool, ToolSpec

IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*\Z")

AMBIENT = """\
interface TaskHandle<T> { readonly id: string; readonly done: Promise<T>; }
interface TaskInfo { id: string; tool: string; status: string; result?: unknown; error?: ToolErrorInfo; }
interface ToolErrorInfo { name: string; code: string; tool: string; message: string; details?: unknown; }
/** Resolves after `ms` milliseconds. */
declare function sleep(ms: number): Promise<void>;
/** What this run is: frozen and synchronous. */
declare const context: {
  readonly workingDirectory: string; readonly conversationId: string; readonly turnId: string; readonly runId: string;
  readonly scriptHash: string; readonly agent: string; readonly limits: Readonly<Record<string, number>>;
  readonly env: Readonly<Record<string, string>>; readonly originalPrompt: string;
};
/** Frozen JSON given by the caller. */
declare const params: any;
/** JSON values that live across the scripts of a conversation. */
declare const store: { get(key: string): any; set(key: string, value: unknown): void; delete(key: string): boolean; };
declare const console: {
  debug(...values: unknown[]): void; log(...values: unknown[]): void; info(...values: unknown[]): void;
  warn(...values: unknown[]): void; error(...values: unknown[]): void;
};
"""

SPAWN = """\
/** `tools.spawn.exec({...})` starts a call as a task that may outlive this script; `scope: "conversation"` keeps it. */
type Spawn = {
  [K in keyof Tools]: Tools[K] extends (args: infer A) => Promise<infer R>
    ? (args: A & { scope?: "turn" | "conversation" }) => TaskHandle<R> : never
} & {
  get(id: string): Promise<TaskInfo & TaskHandle<any>>; list(): Promise<TaskInfo[]>;
  cancel(id: string): Promise<boolean>;
};
declare const tools: Tools & { spawn: Spawn };
"""


def declarations(tools: Iterable[Tool], *, lazy: bool = False) -> str:
    """Return the facade as TypeScript declarations, byte-stable for the same tools.

    Tools marked lazy are left out unless ``lazy``; ``tools.search`` finds them. Results with a title become
    named interfaces, so that tools that share one do not repeat it.
    """
    shown = sorted((t.spec for t in tools if lazy or not t.spec.lazy), key=lambda s: s.path)
    named = {title: s.output.schema for s in shown if (title := _title(s))}
    results = "".join(f"interface {title} {type_of(schema)}\n" for title, schema in sorted(named.items()))
    tree: dict[str, Json] = {}
    for spec in shown:
        node = tree
        for part in spec.namespace:
            node = node.setdefault(part, {})
        node[spec.name] = spec
    flat = "".join(f"declare {_function(s)}\n" for s in shown if s.flat)
    return f"{AMBIENT}{results}interface Tools {{\n{_members(tree, 1)}}}\n{SPAWN}{flat}"


def declaration(spec: ToolSpec) -> str:
    """Return one tool's declaration with its whole doc comment and examples."""
    examples = "".join(f"\n@example {e}" for e in spec.examples)
    return f"{_doc(spec.doc + examples, 0)}{_method(spec, 'tools.' + spec.path)}"


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


def _members(tree: dict[str, Json], depth: int) -> str:
    pad = "  " * depth
    text = ""
    for name, node in tree.items():
        if isinstance(node, ToolSpec):
            text += f"{_doc(node.doc, depth)}{pad}{_method(node, _key(node.name))}\n"
        else:
            text += f"{pad}{_key(name)}: {{\n{_members(node, depth + 1)}{pad}}};\n"
    return text


def _method(spec: ToolSpec, name: str) -> str:
    return f"{name}({_parameters(spec)}): Promise<{_result(spec)}>;"


def _title(spec: ToolSpec) -> str | None:
    title = spec.output.schema.get("title")
    return title if spec.output.schema.get("properties") and title and IDENTIFIER.match(title) else None


def _result(spec: ToolSpec) -> str:
    return _title(spec) or type_of(spec.output.schema)


def _function(spec: ToolSpec) -> str:
    """Return the flat alias, which takes positional arguments where the tool names some."""
    result = f'ReturnType<Tools["{spec.name}"]>'
    if not spec.positional:
        return f"function {spec.name}({_parameters(spec)}): {result};"
    properties = spec.input.schema.get("properties", {})
    required = set(spec.input.schema.get("required", ()))
    names = [to_camel_key(p, properties) for p in spec.positional]
    listed = [f"{n}{_mark(n, required)}: {_property(properties.get(n, True), spec.input.schema, 0)}" for n in names]
    return f"function {spec.name}({', '.join(listed)}): {result};"


def to_camel_key(name: str, properties: dict[str, Json]) -> str:
    """Return the facade's spelling of an argument that may be given in snake_case."""
    if name in properties:
        return name
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _parameters(spec: ToolSpec) -> str:
    schema = spec.input.schema
    optional = "" if schema.get("required") else "?"
    if not schema.get("properties"):
        return "" if schema.get("additionalProperties") is False else "args?: Record<string, any>"
    return f"args{optional}: {type_of(schema)}"


def _doc(text: str, depth: int) -> str:
    pad = "  " * depth
    # Tool descriptions can come from servers: none may close the comment.
    lines = textwrap.dedent(text).strip().replace("*/", "*\u200b/").splitlines()
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{pad}/** {lines[0]} */\n"
    return f"{pad}/**\n" + "".join(f"{pad} * {line}".rstrip() + "\n" for line in lines) + f"{pad} */\n"
