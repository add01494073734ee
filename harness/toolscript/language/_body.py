"""Decides what of a script is its body: the wrapper functions that are tolerated, and the last expression's value."""

from __future__ import annotations

from tree_sitter import Node

from toolscript.language._edits import MARK, Edits

_SKIPPED = {"comment", "html_comment", "empty_statement", "hash_bang_line"}
_ERASED = {"interface_declaration", "type_alias_declaration", "ambient_declaration", "function_signature"}
_FUNCTIONS = {"function_declaration", "function_expression", "arrow_function"}


def prepare_body(edits: Edits, root: Node, *, last_expression: bool) -> None:
    """Blank the wrapper of a script that is one function, and make a last expression the result if asked to."""
    for node in root.children:
        if node.type == "hash_bang_line":
            edits.mark(node.start_byte, node.end_byte)
    statements = [n for n in root.named_children if n.type not in _SKIPPED]
    if len(statements) == 1 and _unwrap(edits, statements[0]):
        return
    runtime = [n for n in statements if n.type not in _ERASED]
    if last_expression and runtime and runtime[-1].type == "expression_statement":
        _return(edits, root, runtime[-1])


def _unwrap(edits: Edits, statement: Node) -> bool:
    function = _function_of(statement)
    if function is None:
        return _unwrap_default(edits, statement)
    parameters = function.child_by_field_name("parameters")
    body = function.child_by_field_name("body")
    if body is None or body.type != "statement_block" or parameters is None or parameters.named_child_count:
        return False
    edits.mark(statement.start_byte, body.start_byte + 1)
    edits.mark(body.end_byte - 1, statement.end_byte)
    return True


def _unwrap_default(edits: Edits, statement: Node) -> bool:
    """Turn ``export default value`` into ``return value``, in the room that the keywords leave."""
    value = statement.child_by_field_name("value")
    if statement.type != "export_statement" or value is None:
        return False
    edits.mark(statement.start_byte, value.start_byte, "return (")
    edits.insert(value.end_byte, ")")
    return True


def _function_of(statement: Node) -> Node | None:
    node: Node | None = statement
    while node is not None and node.type not in _FUNCTIONS:
        match node.type:
            case "export_statement" if any(c.type == "default" for c in node.children):
                node = node.child_by_field_name("declaration") or node.child_by_field_name("value")
            case "expression_statement" | "parenthesized_expression":
                node = next((c for c in node.named_children if c.type != "comment"), None)
            case "call_expression" if not _arguments(node):
                node = node.child_by_field_name("function")
            case _:
                return None
    return node


def _arguments(call: Node) -> int:
    arguments = call.child_by_field_name("arguments")
    return arguments.named_child_count if arguments is not None else 0


def _return(edits: Edits, root: Node, statement: Node) -> None:
    """Put ``return`` before the statement: at the end of the line above, where there is one."""
    expression = next(c for c in statement.named_children if c.type != "comment")
    line_start = edits.source.rfind(b"\n", 0, expression.start_byte) + 1
    if line_start == 0 or edits.source[line_start : expression.start_byte].strip():
        edits.insert(expression.start_byte, f"return{MARK}")
        return
    above = line_start - 2 if edits.source[line_start - 2 : line_start] == b"\r\n" else line_start - 1
    for comment in root.children:
        if comment.start_byte < line_start and comment.end_byte >= above and "comment" in comment.type:
            edits.mark(comment.start_byte, comment.end_byte)
    edits.insert(above, ";return (")
    edits.insert(expression.end_byte, ")")
