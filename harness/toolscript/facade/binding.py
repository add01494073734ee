"""Decides how a live run is held to its plan: each approved row runs once, in the plan's order; all else asks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio

from toolscript.approvals.plan import Row, Terms, row_key
from toolscript.approvals.request import Choice, Decision
from toolscript.errors import ApprovalDenied
from toolscript.facade.consent import Consented
from toolscript.facade.road import Road, Trip
from toolscript.registry.classification import Effect

if TYPE_CHECKING:
    from toolscript.facade.scope import RunScope
    from toolscript.registry.context import ToolContext
    from toolscript.registry.tool import Tool

UNPLANNED = "it is not in the approved plan"
EXPIRED = "the approved plan has expired"
CHANGED = "it is no longer what the approved plan shows"


ROW = "plan_row"
"""Names, in the details of a denial, the row that was declined."""
_REASON = re.compile(r"row #(\d{1,9}) of the approved plan")


def reason_of(number: int) -> str:
    """Return how the record of a decision says which row it is."""
    return f"row #{number} of the approved plan"


def row_of(reason: str) -> int | None:
    """Return the row that a decision's reason names; None where it names none."""
    found = _REASON.fullmatch(reason)
    return None if found is None else int(found[1])


class Binding:
    """The unused rows of one approved plan, and what has ended of it."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._unused: dict[str, list[Row]] = {}
        for row in terms.rows:
            self._unused.setdefault(row.key, []).append(row)
        self._ended: set[int] = set()
        self._change = anyio.Event()
        self.waiting = 0

    @property
    def expired(self) -> bool:
        """Whether the plan was approved too long ago."""
        return time.time() > self.terms.expires

    def take(self, key: str) -> Row | None:
        """Return the next unused row of this key and use it up; None if there is none or the plan has expired."""
        rows = self._unused.get(key)
        return rows.pop(0) if rows and not self.expired else None

    def use(self, number: int) -> None:
        """Use up a row whose effect began before this process did."""
        for rows in self._unused.values():
            rows[:] = [row for row in rows if row.number != number]

    def ended(self, number: int) -> None:
        """Note that a row's effect has ended."""
        self._ended.add(number)
        self.stir()

    def stir(self) -> None:
        """Let waiting calls look again."""
        self._change.set()
        self._change = anyio.Event()

    async def turn_of(self, row: Row, alone: Callable[[], bool]) -> bool:
        """Wait until the effects that had ended before this row in the plan have ended; False if only such waiting
        calls remain, so that they never will."""
        self.waiting += 1
        self.stir()
        try:
            while not self._ended.issuperset(set(row.after) & self.terms.approved):
                if alone():
                    return False
                await self._change.wait()
            return True
        finally:
            self.waiting -= 1


class BoundRoad(Road):
    """The road of a run that carries out a plan; without one it is as any other."""

    def __init__(self, scope: RunScope, waiting: Callable[[int, bool], None]) -> None:
        super().__init__(scope, waiting)
        self.binding = None if scope.plan is None else Binding(scope.plan)

    async def serve(self, trip: Trip, tool: Tool, arguments: Any, context: ToolContext) -> Any:
        """Run a planned effect once without asking; reads run as ever, and any other effect asks."""
        seen = await tool.classify(arguments, context)
        if self.binding is None or seen.effect is Effect.READ:
            return await super().serve(trip, tool, arguments, context)
        self.gate.refuse_denied(tool, seen, arguments)
        binding = self.binding
        row = binding.take(row_key(tool.spec.path, tool.spec.input.dump(arguments), seen.before))
        if row is None:
            return await self._asked(trip, tool, arguments, context, EXPIRED if binding.expired else UNPLANNED)
        if row.number not in binding.terms.approved:
            raise ApprovalDenied(
                f"row #{row.number} of the plan was declined", tool=tool.spec.path,
                details={"by": binding.terms.by, "reason": "declined in the plan", ROW: row.number},
            )  # fmt: skip
        if not await binding.turn_of(row, lambda: binding.waiting >= self.travelling):
            return await self._asked(trip, tool, arguments, context, UNPLANNED)
        decision = Decision(choice=Choice.ALLOW, by=binding.terms.by, reason=reason_of(row.number), time=time.time())
        self.gate.write_down(decision, tool, arguments, trip.call, context, seen)
        try:
            async with self.slots:
                consented = Consented(arguments=arguments, classification=seen, asked=True, insists=CHANGED)
                return await self.perform(trip, tool, consented, context)
        finally:
            binding.ended(row.number)

    async def _asked(self, trip: Trip, tool: Tool, arguments: Any, context: ToolContext, why: str) -> Any:
        """Ask for what is not in the plan, whatever the policy would let run."""
        consented = await self.gate.ask(tool, arguments, trip.call, context, why)
        async with self.slots:
            return await self.perform(trip, tool, consented, context)
