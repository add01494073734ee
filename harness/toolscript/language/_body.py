"""Decides what of a script is its body: the wrapper functions that are tolerated, and the last expression's value.

Nothing here moves a line. Columns move only where `return` has to stand before an expression on its own line; it is
marked then, so that `positions` can count it out.
"""

from __future__ import annotations

from tree_sitter import Node

from toolscript.errors import ScriptSyntaxError
from toolscript.language._edits import Edits
from toolscript.language.positions import RETURN, place

_SKIPPED = {"comment", "html_comment", "empty_statement", "hash_bang_line"}
_ERASED = {"interface_declaration", "type_alias_declaration", "ambient_declaration", "function_signature"}
_GENERATORS = {"generator_function", "generator_function_declaration"}
_FUNCTIONS = {"function_declaration", "function_expression", "arrow_function", *_GENERATORS}
_GLOBALS = {"tools", "context", "params", "store", "console"}
_RETURN = "return "
_GENERATOR = "a script cannot be a generator: write its body, or an async function"
_PARAMETERS = (
    "the script is one function that nothing calls with arguments; tools, context, params, store and console are"
    " globals, and a script is the body of a function already"
)


def prepare_body(edits: Edits, root: Node, *, last_expression: bool) -> None:
    """Unwrap a script that is one function, and make a last expression the result if asked to.

    Raises ScriptSyntaxError if the one function is a generator or takes what a script cannot be given.
    """
    for node in root.children:
        if node.type == "hash_bang_line":
            edits.mark(node.start_byte, node.end_byte)
    statements = [n for n in root.named_children if n.type not in _SKIPPED | _ERASED]
    if len(statements) == 1 and _unwrap(edits, statements[0]):
        return
    if last_expression and statements and statements[-1].type == "expression_statement":
        _return_last(edits, root, statements[-1])


def _unwrap(edits: Edits, statement: Node) -> bool:
    function = _function_of(statement)
    if function is None:
        return _unwrap_default(edits, statement)
    if function.type in _GENERATORS:
        raise ScriptSyntaxError(_GENERATOR, position=place(edits.source, function.start_byte))
    given = _parameters(edits, function)
    name, body = function.child_by_field_name("name"), function.child_by_field_name("body")
    if body is None:
        return False
    if function.type == "function_declaration" and name is not None:
        edits.mark(statement.start_byte, function.start_byte)
        called = edits.source[name.start_byte : name.end_byte].decode()
        edits.insert(statement.end_byte, f";return {called}({given})")
    elif body.type == "statement_block":
        edits.mark(statement.start_byte, body.start_byte + 1)
        edits.mark(body.end_byte - 1, statement.end_byte)
    else:
        _return_from(edits, statement.start_byte, body)
        edits.mark(body.end_byte, statement.end_byte)
    return True


def _function_of(statement: Node) -> Node | None:
    """Return the function that a statement is, calls without arguments or exports by default."""
    node: Node | None = statement
    while node is not None and node.type not in _FUNCTIONS:
        match node.type:
            case "export_statement" if any(c.type == "default" for c in node.children):
                node = node.child_by_field_name("declaration") or node.child_by_field_name("value")
            case "expression_statement" | "parenthesized_expression" | "await_expression":
                node = next((c for c in node.named_children if c.type != "comment"), None)
            case "call_expression" if not _argument_count(node):
                node = node.child_by_field_name("function")
            case _:
                return None
    return node


def _argument_count(call: Node) -> int:
    arguments = call.child_by_field_name("arguments")
    return arguments.named_child_count if arguments is not None else 0


def _parameters(edits: Edits, function: Node) -> str:
    """Return the arguments for a function whose parameters are named like globals of the script."""
    single = function.child_by_field_name("parameter")
    many = function.child_by_field_name("parameters")
    parameters = [single] if single is not None else many.named_children if many is not None else []
    given: list[str] = []
    for parameter in parameters:
        if parameter.type == "comment":
            continue
        pattern = parameter.child_by_field_name("pattern") or parameter
        names = pattern.named_children if pattern.type == "object_pattern" else [pattern]
        texts = [edits.source[n.start_byte : n.end_byte].decode() for n in names]
        if not _GLOBALS.issuperset(texts):
            raise ScriptSyntaxError(_PARAMETERS, position=place(edits.source, parameter.start_byte))
        given.append(f"{{{', '.join(texts)}}}" if pattern.type == "object_pattern" else texts[0])
    return ", ".join(given)


def _unwrap_default(edits: Edits, statement: Node) -> bool:
    """Turn ``export default value`` into ``return value``."""
    value = statement.child_by_field_name("value")
    if statement.type != "export_statement" or value is None:
        return False
    _return_from(edits, statement.start_byte, value)
    return True


def _return_from(edits: Edits, start: int, value: Node) -> None:
    """Blank what stands before a value and return it: in the blanked room if there is enough on its line."""
    room = value.start_byte - len(_RETURN)
    if room < start or edits.breaks(room, value.start_byte):
        edits.mark(start, value.start_byte)
        edits.insert(value.start_byte, RETURN)
    else:
        edits.mark(start, room)
        edits.mark(room, value.start_byte, _RETURN)


def _return_last(edits: Edits, root: Node, statement: Node) -> None:
    """Put ``return`` before the statement: at the end of the line above, where there is one."""
    expression = next(c for c in statement.named_children if c.type != "comment")
    start = expression.start_byte
    line_start = max(edits.source.rfind(b"\n", 0, start), edits.source.rfind(b"\r", 0, start)) + 1
    if line_start == 0 or edits.source[line_start:start].strip():
        edits.insert(start, RETURN)
        return
    above = line_start - (2 if edits.source[:line_start].endswith(b"\r\n") else 1)
    at_end = root.descendant_for_byte_range(max(above - 1, 0), above)
    if at_end is not None and "comment" in at_end.type:
        edits.mark(at_end.start_byte, at_end.end_byte)
    edits.insert(above, ";return (")
    edits.insert(expression.end_byte, ")")
