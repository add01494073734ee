"""Decides which names a script has given, and what of them can be told from the calls that made them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from toolscript_kernel.completion.scan import Token, path_before, tokens
from toolscript_kernel.completion.shapes import Shape
from toolscript_kernel.completion.symbols import Facade, Symbol, value

_DECLARES = frozenset({"const", "let", "var", "function", "class", "catch"})
_EACH = frozenset({"map", "filter", "forEach", "find", "findIndex", "flatMap", "some", "every"})
_OPENS = {"{": "}", "[": "]", "(": ")"}


def names(source: str, facade: Facade) -> dict[str, Symbol]:
    """Return the names that the script declares anywhere, with the shapes of those that hold a tool's output."""
    code = [t for t in tokens(source) if t.kind != "comment"]
    found: dict[str, Symbol] = {}
    for index, token in enumerate(code):
        if token.kind == "name" and token.text in _DECLARES:
            found |= _declared(code, index, facade, found)
        elif token.text == "=>":
            found |= _parameters(code, index, facade, found)
    return found


def _declared(code: Sequence[Token], index: int, facade: Facade, known: dict[str, Symbol]) -> dict[str, Symbol]:
    if index + 1 >= len(code):
        return {}
    target, after = code[index + 1], index + 2
    if target.text in ("{", "["):
        bound, after = _pattern(code, index + 1)
    else:
        bound = [target.text] if target.kind == "name" else []
    shape = _assigned(code, after, facade, known)
    if target.text == "{":
        members = shape.members if shape is not None else {}
        return {n: value(n, members[n]) if n in members else _plain(n) for n in bound}
    if target.text == "[":
        return {n: _plain(n) for n in bound}
    return {n: value(n, shape) if shape is not None else _plain(n) for n in bound}


def _assigned(code: Sequence[Token], index: int, facade: Facade, known: dict[str, Symbol]) -> Shape | None:
    """Return the shape of ``= await tools.x(…)``, or of one item in ``of xs``."""
    following = [t.text for t in code[index : index + 2]]
    if following[:1] == ["of"]:
        whole = facade.find(tuple(_dotted(code, index + 1)), known)
        return whole.shape.item if whole is not None and whole.shape is not None else None
    start = index + 2 if following == ["=", "await"] else index + 1
    if following[:1] != ["="]:
        return None
    path = tuple(_dotted(code, start))
    end = start + 2 * len(path) - 1
    called = end < len(code) and code[end].text == "("
    symbol = facade.find(path, known)
    if symbol is None:
        return None
    if symbol.spec is not None:
        return Shape.of(symbol.spec.output.schema) if called and following == ["=", "await"] else None
    return symbol.shape if not called else None


def _dotted(code: Sequence[Token], index: int) -> Iterator[str]:
    while index < len(code) and code[index].kind == "name":
        yield code[index].text
        if index + 1 >= len(code) or code[index + 1].kind != "dot":
            return
        index += 2


def _pattern(code: Sequence[Token], index: int) -> tuple[list[str], int]:
    """Return the names that a destructuring pattern binds, and the index after it."""
    bound: list[str] = []
    depth = 0
    while index < len(code):
        token = code[index]
        depth += (token.text in _OPENS) - (token.text in _OPENS.values())
        following = code[index + 1].text if index + 1 < len(code) else ""
        if token.kind == "name" and following != ":":
            bound.append(token.text)
        index += 1
        if depth == 0:
            break
    return bound, index


def _parameters(code: Sequence[Token], arrow: int, facade: Facade, known: dict[str, Symbol]) -> dict[str, Symbol]:
    """Return the parameters of an arrow function; those of ``xs.map((x) => …)`` have the shape of an item."""
    last = code[arrow - 1] if arrow else None
    if last is None:
        return {}
    start, bound = arrow - 1, [last.text] if last.kind == "name" else []
    if last.text == ")":
        start = _matching(code, arrow - 1)
        bound, _ = _pattern(code, start)
    item = _item(code, start, facade, known)
    destructured = start + 1 < len(code) and code[start + 1].text == "{"
    found: dict[str, Symbol] = {}
    for position, name in enumerate(bound):
        shape = (
            item if position == 0 and not destructured else item.members.get(name) if item and destructured else None
        )
        found[name] = value(name, shape) if shape is not None else _plain(name)
    return found


def _item(code: Sequence[Token], start: int, facade: Facade, known: dict[str, Symbol]) -> Shape | None:
    before = code[:start]
    if len(before) < 2 or before[-1].text != "(" or before[-2].text not in _EACH:
        return None
    path = path_before(list(before[max(0, len(before) - 20) : -1]))
    whole = facade.find(path[:-1], known) if len(path) > 1 else None
    return whole.shape.item if whole is not None and whole.shape is not None else None


def _matching(code: Sequence[Token], index: int) -> int:
    depth = 0
    while index >= 0:
        depth += (code[index].text == ")") - (code[index].text == "(")
        if depth == 0:
            return index
        index -= 1
    return 0


def _plain(name: str) -> Symbol:
    return Symbol(name=name, kind="variable")
