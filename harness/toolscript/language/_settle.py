"""Decides when a syntax tree can be trusted: each type in it ends where TypeScript ends it, each `<` is what it is.

Where the tree is wrong, the type is blanked by its true extent and the text parsed again; what still does not fit is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from tree_sitter import Node

from toolscript.errors import ScriptSyntaxError, ToolscriptError
from toolscript.language._diagnose import syntax_error
from toolscript.language._edits import Edits
from toolscript.language._erase import RULES, Rule
from toolscript.language._repair import repair
from toolscript.language._trees import JAVASCRIPT, TYPESCRIPT, javascript, kinds, typescript, walk
from toolscript.language._types import (
    TIGHT_OPERATOR,
    NoType,
    TypeReader,
    has_break,
    separator,
    skip_gap,
)
from toolscript.language.positions import place

_MAX_ROUNDS = 12
_BEFORE_CALL = (b"(", b"[", b"`")


def settle(text: str, prepare: Callable[[Edits, Node], None]) -> Edits:
    """Return all that is to be done to a text of the same lines and columns; ``prepare`` adds to it what it will.

    Raises ScriptSyntaxError for what is no TypeScript and for what stays ambiguous, UnsupportedTypeScript for what
    cannot be erased.
    """
    repaired = False
    for _ in range(_MAX_ROUNDS):
        wrong = Edits(text.encode(), text)
        tree = typescript(wrong.source)
        if tree is None:
            if not repaired and (plain := _plain(wrong, prepare)):
                return plain
            if repaired or not repair(wrong):
                raise syntax_error(TYPESCRIPT, wrong.source)
            repaired = True
        else:
            one = _Pass(wrong)
            prepare(one.erased, tree.root_node)
            one.run(tree.root_node)
            if not wrong.ranges:
                return one.erased
        text = wrong.apply()
    raise ScriptSyntaxError("the script's types are too ambiguous; use more parentheses")


def _plain(edits: Edits, prepare: Callable[[Edits, Node], None]) -> Edits | None:
    """Return the edits for a source that is JavaScript although the TypeScript grammar fails on it; None if it is not.

    Where TypeScript would see type arguments in it (``f<T>(x)``), it is not taken for JavaScript.
    """
    tree = javascript(edits.source)
    if tree is None or {n.type for n in tree.root_node.named_children} & {"import_statement", "export_statement"}:
        return None
    root = tree.root_node
    one = _Pass(edits)
    walk(root, {number: partial(_comparison, one) for number in _COMPARISONS}, edits.source)
    if edits.ranges:
        edits.ranges.clear()
        return None
    prepare(one.erased, root)
    return one.erased


class _Pass:
    """One walk over a tree: what is wrong with it, and, if nothing is, what to erase."""

    def __init__(self, wrong: Edits) -> None:
        self.wrong = wrong
        self.source = wrong.source
        self.erased = Edits(wrong.source, wrong.text)
        self.types = TypeReader(self.source)
        self.failure: ToolscriptError | None = None

    def run(self, root: Node) -> None:
        visitors = {number: partial(self.visit, *pair) for number, pair in _VISITED.items()}
        walk(root, visitors, self.source)
        if self.failure is not None and not self.wrong.ranges:
            raise self.failure

    def visit(self, check: Check | None, rule: Rule | None, node: Node, ancestors: list[Node]) -> bool:
        if node.end_byte <= self.wrong.end and node.start_byte < self.wrong.end:
            return False
        descend = check(self, node, ancestors) if check else True
        if self.failure is None and rule:
            try:
                return rule(self.erased, node, ancestors) and descend
            except ToolscriptError as error:
                self.failure = error  # raised only if the tree is right: else it may come from a wrong reading
        return descend

    def end(self, measure: Callable[[int], int], node: Node, at: int) -> int:
        """Return where a type ends. Raises ScriptSyntaxError, placed at the node, where there is none."""
        try:
            return measure(at)
        except NoType:
            raise self.ambiguous(node, "this type is not understood") from None
        except ScriptSyntaxError as error:
            raise error.at(place(self.source, node.start_byte)) from None

    def ambiguous(self, node: Node, why: str) -> ScriptSyntaxError:
        return ScriptSyntaxError(why, position=place(self.source, node.start_byte))


Check = Callable[[_Pass, Node, list[Node]], bool]
"""Compares what a node says with what TypeScript says; notes what is to be blanked first; returns as a rule."""


def _assertion(c: _Pass, node: Node, ancestors: list[Node]) -> bool:
    """``x as T``: the type may reach further than the tree says, or the expression less far."""
    keyword = next(n for n in node.children if n.type in {"as", "satisfies"} and not n.is_named)
    inner = node.children[0]
    if has_break(c.source, inner.end_byte, keyword.start_byte):
        raise c.ambiguous(keyword, f"a line break before {keyword.type!r} ends the statement; join the lines")
    if c.source.startswith(b"{", node.start_byte) and _begins_statement(node, ancestors):
        raise c.ambiguous(node, "a statement that begins with `{` is a block; put the object in parentheses")
    end = c.end(c.types.type_end, node, keyword.end_byte)
    following = skip_gap(c.source, end)
    if TIGHT_OPERATOR.match(c.source, following) and not _leads(node, inner, ancestors):
        raise c.ambiguous(node, "an operator follows this type assertion; put it in parentheses: (value as Type)")
    broken = has_break(c.source, end, following)
    if c.source.startswith((*_BEFORE_CALL, b"<"), following) and not broken:
        raise c.ambiguous(node, "this type assertion is ambiguous; put it in parentheses: (value as Type)")
    if end != node.end_byte:
        c.wrong.erase(keyword.start_byte, end, separator(c.source, end))
    return True


_OPERATIONS = {"binary_expression", "ternary_expression", "assignment_expression", "augmented_assignment_expression"}
_ENCLOSED = {
    "parenthesized_expression",
    "arguments",
    "array",
    "object",
    "template_string",
    "statement_block",
    "class_body",
}


def _leads(node: Node, inner: Node, ancestors: list[Node]) -> bool:
    """Return whether ``inner as T`` is the very first operand of its chain: then ``as T * 2`` means what it says."""
    open_nodes = [inner]
    while open_nodes:
        one = open_nodes.pop()
        if one.type in _OPERATIONS or one.type in {"as_expression", "satisfies_expression"}:
            return False
        if one.type not in _ENCLOSED:
            open_nodes += one.named_children
    child = node
    for parent in reversed(ancestors):
        if parent.type != "binary_expression":
            return True
        if parent.start_byte != child.start_byte:
            return False
        child = parent
    return True


def _begins_statement(node: Node, ancestors: list[Node]) -> bool:
    """Return whether an expression statement begins where the node does."""
    return any(a.type == "expression_statement" and a.start_byte == node.start_byte for a in ancestors)


def _annotation(c: _Pass, node: Node, ancestors: list[Node]) -> bool:
    end = c.end(c.types.type_end, node, node.start_byte + 1)
    if end != node.end_byte:
        parent = ancestors[-1]
        if parent.type != "variable_declarator":
            raise c.ambiguous(node, "it is not clear where this type ends; put a semicolon or parentheses around it")
        c.wrong.erase(node.start_byte, end, separator(c.source, end))
    return False


def _alias(c: _Pass, node: Node, ancestors: list[Node]) -> bool:
    value = node.child_by_field_name("value")
    if value is None:
        return True
    end = c.end(c.types.type_end, node, value.start_byte)
    if end != value.end_byte:
        whole = ancestors[-1] if ancestors[-1].type in {"export_statement", "ambient_declaration"} else node
        c.wrong.erase(whole.start_byte, end, ";")
    return False


def _parameters(c: _Pass, node: Node, ancestors: list[Node]) -> bool:
    if c.end(c.types.parameters_end, node, node.start_byte) != node.end_byte:
        raise c.ambiguous(node, "it is not clear where these type parameters end")
    return False


def _arguments(c: _Pass, node: Node, ancestors: list[Node]) -> bool:
    parent = ancestors[-1]
    if parent.type not in {"call_expression", "new_expression", "instantiation_expression", "extends_clause"}:
        return False
    if c.end(c.types.arguments_end, node, node.start_byte) != node.end_byte:
        raise c.ambiguous(node, "it is not clear where these type arguments end")
    if parent.type != "extends_clause" and not _may_follow(c.source, node.end_byte):
        raise c.ambiguous(node, "this could be type arguments or two comparisons; use parentheses")
    return False


def _comparison(c: _Pass, node: Node, ancestors: list[Node]) -> bool:
    """``tag<T>`…` ``: two comparisons for the tree, type arguments for TypeScript."""
    operator, left = node.child_by_field_name("operator"), node.child_by_field_name("left")
    if (
        operator is None
        or operator.type != "<"
        or left is None
        or left.type.endswith(("as_expression", "satisfies_expression"))
    ):
        return True
    try:
        end = c.types.arguments_end(operator.start_byte)
    except NoType:
        return True
    if _may_follow(c.source, end):
        c.wrong.erase(operator.start_byte, end)
    return True


_NO_START = re.compile(rb"\)|\]|\}|,|;|:|\.|\?|=|\*|/|%|&|\||\^|!=|(?:in|instanceof|as|satisfies)\b|\Z")


def _may_follow(source: bytes, end: int) -> bool:
    """Return whether TypeScript takes ``<…>`` for type arguments, given what follows."""
    if source.startswith((b">", b"="), end):
        return False
    following = skip_gap(source, end)
    if source.startswith((b"(", b"`"), following):
        return True
    if source.startswith((b"<", b">", b"+", b"-"), following):
        return False
    return has_break(source, end, following) or _NO_START.match(source, following) is not None


def _signature(c: _Pass, node: Node, ancestors: list[Node]) -> bool:
    """A signature in front of `{` is a function whose body the tree did not see."""
    if node.type == "method_signature" and ancestors[-1].type != "class_body":
        return True
    following = skip_gap(c.source, node.end_byte)
    if c.source.startswith(b"{", following) and c.source[node.end_byte - 1 : node.end_byte] != b";":
        annotation = node.child_by_field_name("return_type")
        if annotation is None:
            raise c.ambiguous(node, "put the `{` of this function on the line of its parameters")
        c.wrong.erase(annotation.start_byte, annotation.end_byte)
        return False
    return True


def _block(c: _Pass, node: Node, ancestors: list[Node]) -> bool:
    """Interfaces and ambient declarations with a body end with it."""
    body = node.child_by_field_name("body")
    if body is not None and c.end(c.types.balanced_end, node, body.start_byte) != node.end_byte:
        raise c.ambiguous(node, "it is not clear where this declaration ends")
    return node.type != "interface_declaration"


_CHECKS: dict[str, Check] = {
    "as_expression": _assertion,
    "satisfies_expression": _assertion,
    "type_annotation": _annotation,
    "asserts_annotation": _annotation,
    "type_predicate_annotation": _annotation,
    "type_alias_declaration": _alias,
    "type_parameters": _parameters,
    "type_arguments": _arguments,
    "binary_expression": _comparison,
    "function_signature": _signature,
    "method_signature": _signature,
    "interface_declaration": _block,
}
_VISITED = kinds({kind: (_CHECKS.get(kind), RULES.get(kind)) for kind in _CHECKS.keys() | RULES.keys()})
_COMPARISONS = kinds({"binary_expression": True}, JAVASCRIPT)
