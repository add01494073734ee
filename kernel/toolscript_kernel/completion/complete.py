"""Decides what is offered at a place in a script, and what is said of the word there."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from toolscript.registry.declarations import declaration
from toolscript.registry.tool import ToolSpec
from toolscript_kernel.completion import local
from toolscript_kernel.completion.scan import Place, place
from toolscript_kernel.completion.shapes import Shape
from toolscript_kernel.completion.symbols import Facade, Symbol, members_of

_WORD = re.compile(r"[\w$]*")


@dataclass(frozen=True, slots=True)
class Offer:
    """One completion: what is written, what kind of thing it is, and its type."""

    text: str
    kind: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class Offers:
    """The completions for ``start`` to ``end`` of the source."""

    start: int
    end: int
    offers: tuple[Offer, ...] = ()


def complete(source: str, cursor: int, facade: Facade) -> Offers:
    """Return what may stand at the cursor, the nearest kind of thing first."""
    at = place(source, cursor)
    found = [o for o in _offers(at, source, facade) if o.text.lower().startswith(at.prefix.lower())]
    exact = [o for o in found if o.text.startswith(at.prefix)] or found
    return Offers(at.start, cursor, tuple(exact))


def explain(source: str, cursor: int, facade: Facade) -> tuple[str, str] | None:
    """Return (TypeScript, prose) on the word at the cursor, else on the call that the cursor is in."""
    word = _WORD.match(source, cursor)
    end = word.end() if word else cursor
    at = place(source, end)
    if at.prefix and at.kind != "nothing" and (found := _named(at, source, facade)) is not None:
        return found
    spec = facade.tool(place(source, cursor).callee)
    return (declaration(spec), "") if spec is not None else None


def _offers(at: Place, source: str, facade: Facade) -> list[Offer]:
    match at.kind:
        case "member":
            return _of(members_of(facade.find(at.path, local.names(source, facade))))
        case "key":
            return _keys(at, facade)
        case "value":
            literals = _literals(at, facade)
            return literals if at.quote else [*literals, *_names(source, facade)]
        case "name":
            return _names(source, facade)
        case _:
            return []


def _names(source: str, facade: Facade) -> list[Offer]:
    found = local.names(source, facade)
    return [*_of(found), *(o for o in _of(facade.globals) if o.text not in found)]


def _of(symbols: dict[str, Symbol]) -> list[Offer]:
    return [Offer(s.name, s.kind, s.type) for s in symbols.values()]


def _argument(at: Place, facade: Facade) -> tuple[ToolSpec, Shape] | None:
    """Return the tool that is called and the object among its arguments that the place is in."""
    spec = facade.tool(at.callee)
    if spec is None:
        return None
    shape = Shape.of(spec.input.schema).at(at.within)
    return (spec, shape) if shape is not None else None


def _keys(at: Place, facade: Facade) -> list[Offer]:
    found = _argument(at, facade)
    if found is None:
        return []
    members = {n: s for n, s in found[1].members.items() if n not in at.used}
    first = sorted(members, key=lambda n: n not in found[1].required)
    return [Offer(f"{n}: ", "property", members[n].type) for n in first]


def _value(at: Place, facade: Facade) -> Shape | None:
    found = _argument(at, facade)
    if found is None:
        return None
    spec, shape = found
    if at.key is not None:
        return shape.members.get(at.key)
    name = spec.positional[at.argument] if at.argument < len(spec.positional) and not at.within else ""
    return shape.members.get(name)


def _literals(at: Place, facade: Facade) -> list[Offer]:
    shape = _value(at, facade)
    found = shape.literals if shape is not None else ()
    if at.quote:
        return [Offer(v, "value") for v in found if isinstance(v, str)]
    return [Offer(json.dumps(v, ensure_ascii=False), "value") for v in found]


def _named(at: Place, source: str, facade: Facade) -> tuple[str, str] | None:
    if at.kind == "key":
        found = _argument(at, facade)
        member = found[1].members.get(at.prefix) if found else None
        return (f"{at.prefix}: {member.type}", member.doc) if member else None
    symbol = facade.find((*at.path, at.prefix) if at.kind == "member" else (at.prefix,), local.names(source, facade))
    if symbol is None or symbol.kind == "keyword":
        return None
    return symbol.declaration, "" if symbol.spec is not None else symbol.doc
