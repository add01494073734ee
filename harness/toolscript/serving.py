"""Decides how one turn's scripts and structured calls run: under its agent's terms, in its conversation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from toolscript.agent.executor import ToolReply
from toolscript.agent.words import Mode
from toolscript.approvals.plan import PlanRow
from toolscript.events import Emitter
from toolscript.facade.tasks import TaskBoard
from toolscript.models.adapter import FunctionTool
from toolscript.registry.declarations import declarations
from toolscript.run import Run
from toolscript.workshop import Order, Workshop


@dataclass(frozen=True, kw_only=True)
class Serving:
    """The executor of one turn; ``order`` holds the agent's terms and the user's prompt."""

    workshop: Workshop
    board: TaskBoard
    order: Order
    structured: bool = True
    turns: set[str] = field(default_factory=set)
    planned: list[PlanRow] = field(default_factory=list)
    """What the scripts and calls of a dry-run turn would do, in order: each sees what those before it planned."""

    async def run(self, source: str, *, emitter: Emitter, mode: Mode) -> Run:
        """Run a script that was found in a reply; in a dry run, plan it."""
        order = replace(self.order, origin="model", mode=mode, turn_id=self._turn(emitter))
        if mode == "dry-run":
            return await self._rehearsal.run(source, replace(order, planned=self.planned), emitter)
        return await self.workshop.run(source, order, emitter)

    @cached_property
    def _rehearsal(self) -> Workshop:
        return self.workshop.rehearsing()

    async def call(self, name: str, arguments: str, *, call_id: str, emitter: Emitter, mode: Mode = "on") -> ToolReply:
        """Serve a structured call; in a dry run, plan it where the turn's scripts are planned."""
        order = replace(self.order, turn_id=self._turn(emitter), mode=mode)
        if mode == "dry-run":
            return await self._rehearsal.call(name, arguments, replace(order, planned=self.planned), emitter)
        return await self.workshop.call(name, arguments, order, emitter)

    def declarations(self) -> str:
        """Return the facade that this agent sees."""
        return declarations(self.workshop.tools(self.order))

    def function_tools(self) -> tuple[FunctionTool, ...]:
        """Return this agent's tools for structured calls: the same set as the facade's."""
        if not self.structured:
            return ()
        return tuple(
            FunctionTool(name=t.spec.wire_name, description=t.spec.doc, parameters=t.spec.input.structured)
            for t in self.workshop.tools(self.order)
            if not t.spec.lazy
        )

    def keep(self, data: bytes) -> str:
        """Keep bytes for ``tools.readOutput``."""
        return self.workshop.world.outputs.keep(data)

    def kept(self, handle: str) -> bytes:
        """Return what lies behind a handle."""
        return self.workshop.world.outputs.read(handle)

    async def end_turn(self) -> None:
        """Cancel the tasks that live no longer than the turn."""
        for turn_id in self.turns:
            await self.board.end_turn(turn_id)

    def _turn(self, emitter: Emitter) -> str:
        turn_id = str(emitter.ids["turn_id"])
        self.turns.add(turn_id)
        return turn_id
