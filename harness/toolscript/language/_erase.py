"""Decides which bytes of a TypeScript tree are types, and what must stand in their place to keep the meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tree_sitter import Node

from toolscript.errors import ScriptSyntaxError, UnsupportedTypeScript
from toolscript.language._edits import Edits
from toolscript.language._types import has_break, separator, skip_gap
from toolscript.language.positions import place

Rule = Callable[[Edits, Node, list[Node]], bool]
"""Notes what is to be erased of a node, given its ancestors; returns whether its children are still to be visited."""


def _child(node: Node, kind: str) -> Node | None:
    return next((c for c in node.children if c.type == kind), None)


def _unsupported(edits: Edits, node: Node, construct: str, alternative: str) -> UnsupportedTypeScript:
    return UnsupportedTypeScript(construct, alternative, place(edits.source, node.start_byte))


def _refuse_break(edits: Edits, keyword: Node) -> None:
    """A contextual keyword is one only if the next token is on its line; else it is a name, and nothing to erase."""
    if has_break(edits.source, keyword.end_byte, skip_gap(edits.source, keyword.end_byte)):
        text = edits.source[keyword.start_byte : keyword.end_byte].decode()
        raise ScriptSyntaxError(
            f"a line break after {text!r} makes it an ordinary name; write it on one line",
            position=place(edits.source, keyword.start_byte),
        )


def _statement(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    """Erase a statement that is only types; a semicolon keeps its neighbours apart."""
    if node.type != "function_signature":
        _refuse_break(edits, node.children[0])
    parent = ancestors[-1]
    whole = parent if parent.type == "export_statement" else node
    edits.erase(whole.start_byte, whole.end_byte, ";")
    return False


def _annotation(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    parent = ancestors[-1]
    if parent.type == "public_field_definition" and parent.child_by_field_name("value") is None:
        # `get: T` or `x: T` before a line that starts with `[` or `(` would run into it.
        edits.erase(node.start_byte, node.end_byte, ";")
    elif parent.type == "variable_declarator":
        edits.erase(node.start_byte, node.end_byte, separator(edits.source, node.end_byte))
    elif parent.type == "arrow_function":
        _arrow_return(edits, node, parent)
    else:
        edits.erase(node.start_byte, node.end_byte)
    return False


def _arrow_return(edits: Edits, node: Node, arrow: Node) -> None:
    """Erase an arrow's return type; `)` moves to its end where a line break would part it from `=>`."""
    parameters = arrow.child_by_field_name("parameters")
    sign = _child(arrow, "=>")
    assert parameters is not None and sign is not None
    if edits.breaks(node.end_byte, sign.start_byte):
        raise ScriptSyntaxError(
            "a line break before '=>' is not allowed; put '=>' on the line of the return type",
            position=place(edits.source, sign.start_byte),
        )
    if not edits.breaks(parameters.end_byte, sign.start_byte):
        edits.erase(node.start_byte, node.end_byte)
        return
    edits.erase(parameters.end_byte - 1, parameters.end_byte)
    edits.erase(node.start_byte, node.end_byte - 1)
    edits.erase(node.end_byte - 1, node.end_byte, ")")


def _type_parameters(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    parent = ancestors[-1]
    parameters = parent.child_by_field_name("parameters")
    broken = parameters is not None and edits.breaks(node.start_byte, parameters.start_byte)
    if parent.type == "arrow_function" and broken and parameters is not None:
        # `return <T,\n>(x) =>` and `async <T>\n(x) =>`: the parenthesis must stay on the first line.
        edits.erase(node.start_byte, parameters.start_byte + 1, "(")
        return False
    edits.erase(node.start_byte, node.end_byte)
    return False


def _plain(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    edits.erase(node.start_byte, node.end_byte)
    return False


def _as(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    """Erase ` as T` after the expression, which is visited on its own."""
    keyword = next(c for c in node.children if c.type in {"as", "satisfies"} and not c.is_named)
    inner = node.children[0]
    if edits.breaks(inner.end_byte, keyword.start_byte):
        raise ScriptSyntaxError(
            f"a line break before {keyword.type!r} ends the statement; keep it on the line of its expression",
            position=place(edits.source, keyword.start_byte),
        )
    edits.mark(keyword.start_byte, node.end_byte, separator(edits.source, node.end_byte))
    return True


def _non_null(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    mark = node.children[-1]
    if edits.breaks(node.children[0].end_byte, mark.start_byte):
        raise ScriptSyntaxError(
            "a line break before '!' ends the statement", position=place(edits.source, mark.start_byte)
        )
    edits.mark(mark.start_byte, mark.end_byte)
    return True


def _tokens(edits: Edits, node: Node, *kinds: str) -> Iterator[Node]:
    for child in node.children:
        if child.type in kinds and not (child.is_named and child.type not in _MODIFIERS):
            yield child


_MODIFIERS = {"accessibility_modifier", "override_modifier"}
_MEMBER_TOKENS = ("accessibility_modifier", "override_modifier", "readonly", "abstract", "declare")


def _member(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    """Erase a class member's modifiers and marks, or the whole of a member that only declares."""
    in_class = ancestors[-1].type == "class_body"
    modifiers = list(_tokens(edits, node, *_MEMBER_TOKENS))
    for token in modifiers:
        _refuse_break(edits, token)
    if in_class and (node.type in _SIGNATURES or any(t.type in {"declare", "abstract"} for t in modifiers)):
        edits.erase(node.start_byte, node.end_byte, ";")
        return False
    if node.child_count == 1 and node.type == "public_field_definition":
        _refuse_open_keyword(edits, node)
    for token in modifiers:
        first = in_class and token.start_byte == node.start_byte
        edits.erase(token.start_byte, token.end_byte, ";" if first else "")
    for token in _tokens(edits, node, "?", "!"):
        edits.mark(token.start_byte, token.end_byte)
    return True


_SIGNATURES = {"method_signature", "abstract_method_signature", "index_signature"}


def _refuse_open_keyword(edits: Edits, node: Node) -> None:
    """A field named ``get`` before a line break belongs to the next member; a semicolon of ours would part them."""
    name = edits.source[node.start_byte : node.end_byte]
    following = skip_gap(edits.source, node.end_byte)
    if name in {b"static", b"get", b"set", b"accessor"} and not edits.source.startswith((b";", b"}"), following):
        raise ScriptSyntaxError(
            f"put a semicolon after the field {name.decode()!r}, or write the member on one line",
            position=place(edits.source, node.start_byte),
        )


def _parameter(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    if next(_tokens(edits, node, "accessibility_modifier", "override_modifier", "readonly"), None):
        raise _unsupported(
            edits, node, "a parameter property", "declare a field and assign it in the constructor: this.x = x"
        )
    pattern = node.child_by_field_name("pattern")
    if pattern is not None and pattern.type == "this":
        following = node.next_sibling
        comma = following is not None and following.type == ","
        edits.erase(node.start_byte, following.end_byte if comma and following else node.end_byte)
        return False
    for token in _tokens(edits, node, "?"):
        edits.mark(token.start_byte, token.end_byte)
    return True


def _declarator(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    for token in _tokens(edits, node, "!"):
        edits.mark(token.start_byte, token.end_byte)
    return True


def _abstract_class(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    token = _child(node, "abstract")
    assert token is not None
    _refuse_break(edits, token)
    edits.erase(token.start_byte, token.end_byte)
    return True


def _enum(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    raise _unsupported(edits, node, "an enum", "write an object instead: const Name = { A: 0, B: 1 } as const")


def _namespace(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    if _only_types(node):
        return _statement(edits, node, ancestors)
    raise _unsupported(edits, node, "a namespace", "write an object or plain functions instead")


def _only_types(namespace: Node) -> bool:
    body = namespace.child_by_field_name("body")
    for statement in body.named_children if body is not None else []:
        inner = statement.child_by_field_name("declaration") if statement.type == "export_statement" else statement
        if inner is None or inner.type not in {*_TYPE_STATEMENTS, "comment"}:
            return False
    return True


def _decorator(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    raise _unsupported(edits, node, "a decorator", "call the function yourself: const Wrapped = decorate(Original)")


def _assertion(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    raise _unsupported(edits, node, "a <T>value assertion", "write `value as T`")


def _import_alias(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    raise _unsupported(edits, node, "an import alias", "write `const X = A.B`, or `type X = A.B` for a type")


def _import(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    if node.children[1].type == "type" and _child(node, "import_require_clause") is None:
        edits.erase(node.start_byte, node.end_byte, ";")
        return False
    if _child(node, "import_require_clause") is not None:
        raise _unsupported(edits, node, "`import x = require(…)`", "use tools.*; scripts load no modules")
    raise ScriptSyntaxError(
        "scripts import nothing: what they may use is on tools, context, params, store and console"
        " (`import type` is allowed)",
        position=place(edits.source, node.start_byte),
    )


def _export(edits: Edits, node: Node, ancestors: list[Node]) -> bool:
    if any(start <= node.start_byte < end for start, end, _ in edits.ranges):
        return True  # a tolerated `export default`, blanked already
    inner = node.child_by_field_name("declaration")
    clause = _child(node, "export_clause")
    empty = clause is not None and not clause.named_children and node.child_by_field_name("source") is None
    if node.children[1].type == "type" or empty:
        edits.erase(node.start_byte, node.end_byte, ";")
        return False
    if inner is not None and (inner.type in _TYPE_STATEMENTS or inner.type in {"internal_module", "module"}):
        return True
    raise ScriptSyntaxError(
        "scripts export nothing: remove `export`; `return value` gives the result",
        position=place(edits.source, node.start_byte),
    )


_TYPE_STATEMENTS = {"interface_declaration", "type_alias_declaration", "ambient_declaration", "function_signature"}

RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "type_annotation", "type_predicate_annotation", "asserts_annotation", "omitting_type_annotation",
            "opting_type_annotation", "adding_type_annotation",
        ),
        _annotation,
    ),
    **dict.fromkeys(_TYPE_STATEMENTS, _statement),
    **dict.fromkeys(("as_expression", "satisfies_expression"), _as),
    **dict.fromkeys(
        (
            "public_field_definition", "method_definition", "method_signature", "abstract_method_signature",
            "index_signature",
        ),
        _member,
    ),
    **dict.fromkeys(("required_parameter", "optional_parameter"), _parameter),
    **dict.fromkeys(("internal_module", "module"), _namespace),
    "type_parameters": _type_parameters,
    "type_arguments": _plain,
    "implements_clause": _plain,
    "non_null_expression": _non_null,
    "variable_declarator": _declarator,
    "abstract_class_declaration": _abstract_class,
    "enum_declaration": _enum,
    "decorator": _decorator,
    "type_assertion": _assertion,
    "import_alias": _import_alias,
    "import_statement": _import,
    "export_statement": _export,
}  # fmt: skip
"""What is done with each kind of node; kinds that are not here are JavaScript."""
