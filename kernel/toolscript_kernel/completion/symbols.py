"""Decides what a script can name: the facade, made from the registry, and the few globals of the language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from toolscript.registry.declarations import declaration, type_of
from toolscript.registry.tool import Tool, ToolSpec
from toolscript_kernel.completion import language
from toolscript_kernel.completion.shapes import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """Something that can be named. ``members`` are what follows a dot; ``spec`` is the tool that a call of it calls."""

    name: str
    kind: str
    type: str = ""
    doc: str = ""
    members: dict[str, Symbol] = field(default_factory=dict)
    spec: ToolSpec | None = None
    shape: Shape | None = None
    """What its value is, where a schema says so."""

    @property
    def declaration(self) -> str:
        """The TypeScript that declares it."""
        if self.spec is not None:
            return declaration(self.spec)
        return f"{self.name}: {self.type}" if self.type else self.name


class Facade:
    """The globals of a script over some tools; ``params`` and ``environment`` are the names known beforehand."""

    def __init__(self, tools: Iterable[Tool], *, params: Iterable[str] = (), environment: Iterable[str] = ()) -> None:
        specs = [t.spec for t in tools]
        self.globals: dict[str, Symbol] = _language()
        self.globals |= {spec.name: _tool(spec) for spec in specs if spec.flat}
        self.globals["tools"] = Symbol(name="tools", kind="namespace", doc="The tools.", members=_tree(specs))
        self.globals["params"] = _values("params", "Frozen JSON given by the caller.", dict.fromkeys(params, "any"))
        self.globals["context"] = _context(environment)

    def find(self, path: tuple[str, ...], local: dict[str, Symbol] | None = None) -> Symbol | None:
        """Return what a dotted name stands for."""
        symbol: Symbol | None = None
        for index, name in enumerate(path):
            names = {**self.globals, **(local or {})} if index == 0 else members_of(symbol)
            if (symbol := names.get(name)) is None:
                return None
        return symbol

    def tool(self, path: tuple[str, ...]) -> ToolSpec | None:
        """Return the tool that a call of this name calls."""
        found = self.find(path)
        return found.spec if found is not None else None


def members_of(symbol: Symbol | None) -> dict[str, Symbol]:
    """Return what may follow a dot behind a symbol."""
    if symbol is None:
        return {}
    return symbol.members or (shape_members(symbol.shape) if symbol.shape is not None else {})


def shape_members(shape: Shape) -> dict[str, Symbol]:
    """Return what may follow a dot behind a value of this shape."""
    match shape.kind:
        case "string":
            return _MEMBERS["string"]
        case "array":
            return {
                n: Symbol(name=n, kind=s.kind, type=s.type, doc=s.doc, shape=shape)
                for n, s in _MEMBERS["array"].items()
            }
        case _:
            return {n: value(n, s, kind="property") for n, s in shape.members.items()}


def value(name: str, shape: Shape, *, kind: str = "variable") -> Symbol:
    """Return a name for a value of a shape."""
    return Symbol(name=name, kind=kind, type=shape.type, doc=shape.doc, shape=shape)


def _tree(specs: list[ToolSpec]) -> dict[str, Symbol]:
    tree: dict[str, Symbol] = {}
    for spec in sorted(specs, key=lambda s: s.path):
        members = tree
        for part in spec.namespace:
            members = members.setdefault(part, Symbol(name=part, kind="namespace")).members
        members[spec.name] = _tool(spec)
    tree["spawn"] = Symbol(
        name="spawn", kind="namespace", doc="Starts any tool as a task that may outlive the script.",
        members={s.name: _tool(s) for s in specs if not s.namespace} | _named(language.SPAWN),
    )  # fmt: skip
    return tree


def _tool(spec: ToolSpec) -> Symbol:
    return Symbol(
        name=spec.name, kind="function", type=f"Promise<{type_of(spec.output.schema)}>", doc=spec.doc, spec=spec
    )


def _context(environment: Iterable[str]) -> Symbol:
    limits = _values("limits", "What the run may use.", dict.fromkeys(language.LIMITS, "number"))
    env = _values("env", "The environment variables that scripts may read.", dict.fromkeys(environment, "string"))
    texts = _values("context", "What this run is: frozen and synchronous.", dict.fromkeys(language.CONTEXT, "string"))
    return Symbol(
        name="context", kind="variable", doc=texts.doc, members=texts.members | {"limits": limits, "env": env}
    )


def _values(name: str, doc: str, types: dict[str, str]) -> Symbol:
    members = {n: Symbol(name=n, kind="property", type=t) for n, t in types.items()}
    return Symbol(name=name, kind="variable", type="any" if not members else "", doc=doc, members=members)


def _named(rows: tuple[tuple[str, str, str], ...], kind: str = "function") -> dict[str, Symbol]:
    return {name: Symbol(name=name, kind=kind, type=signature, doc=doc) for name, signature, doc in rows}


def _language() -> dict[str, Symbol]:
    """Return the globals that are there whatever the tools."""
    store_doc = "JSON values that live across the scripts of a conversation."
    symbols = [
        Symbol(name="console", kind="variable", doc="Writes lines that stream to whoever watches.",
               members=_named(language.CONSOLE)),
        Symbol(name="store", kind="variable", doc=store_doc, members=_named(language.STORE)),
        Symbol(name="sleep", kind="function", type="(ms: number) => Promise<void>", doc="Resolves after `ms` ms."),
        Symbol(name="Promise", kind="class", members=_named(language.PROMISE)),
        Symbol(name="JSON", kind="variable", members=_named(language.JSON)),
        Symbol(name="Object", kind="class", members=_named(language.OBJECT)),
        Symbol(name="Math", kind="variable", members=_named(language.MATH)),
        *(Symbol(name=name, kind="class") for name in language.CLASSES),
        *(Symbol(name=name, kind="keyword") for name in language.KEYWORDS),
    ]  # fmt: skip
    return {s.name: s for s in symbols}


_MEMBERS = {"string": _named(language.STRING), "array": _named(language.ARRAY)}
