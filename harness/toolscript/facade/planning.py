"""Decides what a dry run does with each call: reads live, effects computed on an overlay or only written down."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import anyio

from toolscript.approvals.plan import PlanRow
from toolscript.facade.road import Road, Trip, widened
from toolscript.facade.scope import RunScope
from toolscript.registry.classification import Classification, Danger, Effect
from toolscript.registry.context import SandboxMode, ToolContext
from toolscript.registry.tool import Tool


@runtime_checkable
class Assumable(Protocol):
    """A tool whose answer can be assumed in a dry run: what it would give if all went well."""

    def assumed(self, arguments: Any) -> Any:
        """Return the output that a plan goes on with."""
        ...


class PlanningRoad(Road):
    """The road of a dry run; ``rows`` is the plan so far.

    Reads and searches run on the overlay. File tools really compute on it. Known-safe commands run, read-only,
    while nothing is planned. Other commands are written down and assumed to succeed. All else stays pending:
    nobody knows what it would answer.
    """

    def __init__(
        self,
        scope: RunScope,
        waiting: Callable[[int, bool], None],
        rows: list[PlanRow],
        hold: Callable[[int], None],
    ) -> None:
        super().__init__(scope, waiting)
        self.rows = rows
        self._hold = hold
        self._ended: list[int] = []
        self._assumed: list[int] = []

    async def serve(self, trip: Trip, tool: Tool, arguments: Any, context: ToolContext) -> Any:
        """Serve one call of a dry run."""
        seen = await tool.classify(arguments, context)
        if seen.effect is Effect.READ:
            return await super().serve(trip, tool, arguments, context)
        if self._harmless(seen):
            async with self.slots:
                return await tool.call(arguments, replace(context, sandbox=SandboxMode.READ_ONLY))
        return await self._plan(trip, tool, arguments, context, seen)

    def _harmless(self, seen: Classification) -> bool:
        return seen.effect is Effect.EXECUTE and seen.danger is Danger.KNOWN_SAFE and seen.confined and not self.rows

    async def _plan(self, trip: Trip, tool: Tool, arguments: Any, context: ToolContext, seen: Classification) -> Any:
        trip.planned = True
        trip.diff = seen.diff
        known = seen.effect is Effect.WRITE or isinstance(tool, Assumable)
        row = self._row(trip, tool, arguments, seen, waits=not known)
        self.rows.append(row)
        if seen.effect is Effect.WRITE:
            output = await tool.call(arguments, widened(context, seen))
        elif isinstance(tool, Assumable):
            output = tool.assumed(arguments)
            self._assumed.append(row.number)
        else:
            self._hold(trip.call.number)
            await anyio.sleep(math.inf)
        self._ended.append(row.number)
        return output

    def _row(self, trip: Trip, tool: Tool, arguments: Any, seen: Classification, *, waits: bool) -> PlanRow:
        return PlanRow(
            number=trip.call.number, tool=tool.spec.path, arguments=tool.spec.input.dump(arguments),
            effect=seen.effect.value, summary=seen.summary, line=trip.call.line, diff=seen.diff, before=seen.before,
            after=tuple(self._ended), assumes=tuple(self._assumed), waits=waits, undoable=seen.undoable,
        )  # fmt: skip
