"""Decides how source becomes a syntax tree, how a tree is walked, and where in the author's text an error lies."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any, TypeVar

from tree_sitter import Language, Node, Parser, Tree

from toolscript.errors import ScriptSyntaxError
from toolscript.language.positions import place

MAX_DEPTH = 1_500
"""Levels of a tree that a script may have: the engine's own parser gives up not far beyond."""


def _grammar(package: str) -> Any:
    """Return what a grammar's package has compiled, alone: the package itself loads what reads queries from archives.

    That is a fifth of all that workers descend from, with hooks of its own for every fork.
    """
    outer = PathFinder.find_spec(package)
    inner = outer and PathFinder.find_spec(f"{package}._binding", outer.submodule_search_locations)
    if inner is None or inner.loader is None:
        return importlib.import_module(package)
    module = module_from_spec(inner)
    inner.loader.exec_module(module)
    return module


TYPESCRIPT = Parser(Language(_grammar("tree_sitter_typescript").language_typescript()))
JAVASCRIPT = Parser(Language(_grammar("tree_sitter_javascript").language()))

_CHUNK = 65_536

V = TypeVar("V")
Visitor = Callable[[Node, list[Node]], bool]
"""Takes a node and its ancestors (root first); returns whether to descend."""


def typescript(source: bytes) -> Tree | None:
    """Parse as TypeScript; None where there is an error."""
    return _parsed(TYPESCRIPT, source)


def javascript(source: bytes) -> Tree | None:
    """Parse as JavaScript; None where there is an error."""
    return _parsed(JAVASCRIPT, source)


def _parsed(parser: Parser, source: bytes) -> Tree | None:
    """Parse up to the first error: to recover from it may take a hostile source any time, and helps nobody here."""
    try:
        tree = parser.parse(reader(source), progress_callback=lambda _, error: error)
    except ValueError:
        parser.reset()
        return None
    return None if tree.root_node.has_error else tree


def reader(source: bytes) -> Callable[[int, object], bytes]:
    """Return what hands a source to a parser piece by piece, no character cut in two.

    Only a parser that reads in this way can be stopped.
    """

    def read(at: int, _: object) -> bytes:
        end = min(at + _CHUNK, len(source))
        while end < len(source) and source[end] & 0xC0 == 0x80:
            end += 1
        return source[at:end]

    return read


def kinds(by_name: Mapping[str, V], parser: Parser = TYPESCRIPT) -> dict[int, V]:
    """Return a table of named nodes by the ids of their kinds, which compare faster than names."""
    language = parser.language
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
