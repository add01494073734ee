"""Decides how a live run is held to its plan: each approved row runs once, in the plan's order; all else asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anyio

from toolscript.approvals.plan import ApprovedPlan, PlanRow, row_key
from toolscript.approvals.request import Choice, Decision
from toolscript.errors import ApprovalDenied
from toolscript.facade.consent import Consented
from toolscript.facade.road import Road, Trip
from toolscript.facade.scope import RunScope
from toolscript.registry.classification import Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.tool import Tool

UNPLANNED = "it is not in the approved plan"
CHANGED = "it is no longer what the approved plan shows"


class Binding:
    """The unused rows of one approved plan, and what has ended of it."""

    def __init__(self, approved: ApprovedPlan) -> None:
        self.approved = approved
        self._unused: dict[str, list[PlanRow]] = {}
        for row in approved.plan.rows:
            self._unused.setdefault(row.key, []).append(row)
        self._ended: set[int] = set()
        self._change = anyio.Event()
        self.waiting = 0

    def take(self, key: str) -> PlanRow | None:
        """Return the next unused row of this key and use it up; None if there is none or the plan has expired."""
        rows = self._unused.get(key)
        if not rows or time.time() > self.approved.expires:
            return None
        return rows.pop(0)

    def ended(self, row: PlanRow) -> None:
        """Note that a row's effect has ended."""
        self._ended.add(row.number)
        self.stir()

    def stir(self) -> None:
        """Let waiting calls look again."""
        self._change.set()
        self._change = anyio.Event()

    async def turn_of(self, row: PlanRow, alone: Callable[[], bool]) -> bool:
        """Wait until the effects that had ended before this row in the plan have ended; False if only such waiting
        calls remain, so that they never will."""
        self.waiting += 1
        self.stir()
        try:
            while not self._ended.issuperset(set(row.after) & self.approved.approved):
                if alone():
                    return False
                await self._change.wait()
            return True
        finally:
            self.waiting -= 1


class BoundRoad(Road):
    """The road of a run that carries out a plan."""

    def __init__(self, scope: RunScope, waiting: Callable[[int, bool], None], approved: ApprovedPlan) -> None:
        super().__init__(scope, waiting)
        self.binding = Binding(approved)

    async def serve(self, trip: Trip, tool: Tool, arguments: Any, context: ToolContext) -> Any:
        """Run a planned effect once without asking; reads run as ever, and any other effect asks."""
        seen = await tool.classify(arguments, context)
        if seen.effect is Effect.READ:
            return await super().serve(trip, tool, arguments, context)
        self.gate.refuse_denied(tool, seen, arguments)
        row = self.binding.take(row_key(tool.spec.path, tool.spec.input.dump(arguments), seen.before))
        if row is None:
            return await self._asked(trip, tool, arguments, context)
        if row.number not in self.binding.approved.approved:
            raise ApprovalDenied(
                f"row #{row.number} of the plan was declined", tool=tool.spec.path,
                details={"by": self.binding.approved.by, "reason": "declined in the plan"},
            )  # fmt: skip
        if not await self.binding.turn_of(row, lambda: self.binding.waiting >= self.travelling):
            return await self._asked(trip, tool, arguments, context)
        approved = self.binding.approved
        decision = Decision(
            choice=Choice.ALLOW, by=approved.by, reason=f"row #{row.number} of the approved plan", time=time.time()
        )
        self.gate.write_down(decision, tool, arguments, trip.call, context, seen)
        try:
            async with self.slots:
                consented = Consented(arguments=arguments, classification=seen, asked=True, insists=CHANGED)
                return await self.perform(trip, tool, consented, context)
        finally:
            self.binding.ended(row)

    async def _asked(self, trip: Trip, tool: Tool, arguments: Any, context: ToolContext) -> Any:
        """Ask for what is not in the plan, whatever the policy would let run."""
        consented = await self.gate.ask(tool, arguments, trip.call, context, UNPLANNED)
        async with self.slots:
            return await self.perform(trip, tool, consented, context)
