"""Decides how Jupyter's questions about a cell (Tab, hover) are answered for the cells that are ours."""

from __future__ import annotations

from typing import Any

from toolscript.errors import ToolscriptError
from toolscript.facade.guest import ENVIRONMENT
from toolscript_kernel import commands, options
from toolscript_kernel.cells import Cell, Kind, read
from toolscript_kernel.completion import line
from toolscript_kernel.completion.complete import Offer, Offers, complete, explain
from toolscript_kernel.completion.symbols import Facade
from toolscript_kernel.desk import Desk
from toolscript_kernel.record.inert import one_line

_TYPES = "_jupyter_types_experimental"
DETAIL_CHARS = 48


class Completer:
    """Answers for one kernel; what is made from the registry is kept until the registry changes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._registry: Any = None
        self._facades: dict[tuple[str, ...], Facade] = {}

    def complete(self, code: str, cursor: int) -> dict[str, Any] | None:
        """Return the content of a ``complete_reply``; None where IPython knows better."""
        begin = code.rfind("\n", 0, cursor) + 1
        ours = line.complete(code[begin:cursor], self._known()) if code[begin:cursor].startswith("%") else None
        if ours is not None:
            return _reply(ours, begin)
        cell = read(code)
        if cell.kind is not Kind.SCRIPT:
            return _reply(Offers(cursor, cursor), 0) if cell.kind is Kind.TURN else None
        start = _body_start(code, cell)
        if cursor < start:
            return None
        facade = self._facade(cell)
        return _reply(complete(cell.body, cursor - start, facade) if facade else Offers(0, 0), start)

    def inspect(self, code: str, cursor: int) -> dict[str, Any] | None:
        """Return the content of an ``inspect_reply``; None where IPython knows better."""
        cell = read(code)
        if cell.kind is Kind.TURN:
            return _nothing()
        start = _body_start(code, cell)
        if cell.kind is not Kind.SCRIPT or cursor < start:
            return None
        facade = self._facade(cell)
        found = explain(cell.body, cursor - start, facade) if facade else None
        if found is None:
            return _nothing()
        code_text, prose = found
        text = f"{code_text}\n\n{prose}".strip()
        markdown = f"```ts\n{code_text}\n```\n\n{prose}".strip()
        return {
            "status": "ok", "found": True, "data": {"text/plain": text, "text/markdown": markdown}, "metadata": {},
        }  # fmt: skip

    def _facade(self, cell: Cell) -> Facade | None:
        try:
            chosen = options.read(cell.options)
            params = (*chosen.params, *chosen.inputs)
        except ToolscriptError:
            params = ()
        try:
            registry = self._desk.door.made().registry
        except ToolscriptError:
            return None
        if registry is not self._registry:
            self._registry = registry
            self._facades.clear()
            registry.subscribe(self._facades.clear)
        self._desk.offer_own(registry)
        if params not in self._facades:
            self._facades[params] = Facade(registry, params=params, environment=ENVIRONMENT)
        return self._facades[params]

    def _known(self) -> line.Known:
        verbs = {name: verb.says for name, verb in commands.VERBS.items()}
        values = [name for name in self._desk.shell.user_ns if isinstance(name, str)]
        try:
            harness = self._desk.door.made()
        except ToolscriptError:
            return line.Known(verbs=verbs, values=values)
        tools = sorted(t.spec.path for t in harness.registry)
        return line.Known(verbs=verbs, tools=tools, agents=sorted(harness.configuration.agents), values=values)


def _body_start(code: str, cell: Cell) -> int:
    return sum(len(text) + 1 for text in code.split("\n")[: cell.offset])


def _reply(found: Offers, shift: int) -> dict[str, Any]:
    start, end = found.start + shift, found.end + shift
    types = [
        {"start": start, "end": end, "text": o.text, "type": _detail(o), "signature": o.type} for o in found.offers
    ]
    return {
        "status": "ok", "matches": [o.text for o in found.offers], "cursor_start": start, "cursor_end": end,
        "metadata": {_TYPES: types},
    }  # fmt: skip


def _detail(offer: Offer) -> str:
    """Return what a page shows beside an offer: JupyterLab shows of all that it is told only the ``type``."""
    arrow = "→ " if offer.type.startswith("Promise<") else ""
    return one_line(f"{offer.kind} {arrow}{offer.type}".strip(), DETAIL_CHARS)


def _nothing() -> dict[str, Any]:
    return {"status": "ok", "found": False, "data": {}, "metadata": {}}
