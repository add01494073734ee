"""Decides how source becomes a syntax tree, how a tree is walked, and where in the author's text an error lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser, Tree

from toolscript.errors import Position, ScriptSyntaxError

MAX_DEPTH = 1_500
"""Levels of a tree that a script may have: the engine's own parser gives up not far beyond."""

_TYPESCRIPT = Parser(Language(tree_sitter_typescript.language_typescript()))
_JAVASCRIPT = Parser(Language(tree_sitter_javascript.language()))

V = TypeVar("V")
Visitor = Callable[[Node, list[Node]], bool]
"""Takes a node and its ancestors (root first); returns whether to descend."""


def typescript(source: bytes) -> Tree:
    """Parse as TypeScript; the tree may hold errors."""
    return _TYPESCRIPT.parse(source)


def javascript(source: bytes) -> Tree:
    """Parse as JavaScript; the tree may hold errors."""
    return _JAVASCRIPT.parse(source)


def kinds(by_name: Mapping[str, V]) -> dict[int, V]:
    """Return a table of named TypeScript nodes by the ids of their kinds, which compare faster than names."""
    language = _TYPESCRIPT.language
    assert language is not None
    names = ((i, language.node_kind_for_id(i) or "") for i in range(language.node_kind_count))
    return {i: by_name[name] for i, name in names if name in by_name and language.node_kind_is_named(i)}


def walk(root: Node, visitors: Mapping[int, Visitor], source: bytes) -> None:
    """Visit the nodes of these kinds in document order, without recursion.

    Raises ScriptSyntaxError where the tree is deeper than :data:`MAX_DEPTH`.
    """
    cursor = root.walk()
    ancestors: list[Node] = []
    while True:
        node = cursor.node
        assert node is not None
        visit = visitors.get(node.kind_id)
        if (visit is None or visit(node, ancestors)) and cursor.goto_first_child():
            ancestors.append(node)
            if len(ancestors) > MAX_DEPTH:
                raise ScriptSyntaxError("the script is nested too deeply", position=place(source, node.start_byte))
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            ancestors.pop()


def place(source: bytes, offset: int) -> Position:
    """Return the line and column (in characters, both from 1) of a byte offset."""
    before = source[:offset].decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    line_start = before.rfind("\n") + 1
    return Position(before.count("\n") + 1, len(before) - line_start + 1)


def refuse_errors(root: Node, source: bytes) -> None:
    """Raise ScriptSyntaxError, placed, if the tree holds an error."""
    if not root.has_error:
        return
    node = _first_error(root)
    text = source[node.start_byte : node.start_byte + 40].decode("utf-8", "replace").split("\n")[0].strip()
    what = f"{node.type!r} is missing" if node.is_missing else f"unexpected {text!r}" if text else "unexpected end"
    raise ScriptSyntaxError(f"the script is not TypeScript: {what}", position=place(source, node.start_byte))


def _first_error(root: Node) -> Node:
    node = root
    for _ in range(MAX_DEPTH):
        if node.is_error or node.is_missing:
            return node
        broken = next((child for child in node.children if child.has_error), None)
        if broken is None:
            return node
        node = broken
    return node
