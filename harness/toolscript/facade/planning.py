"""Decides what a dry run does with each call: reads live, effects computed on an overlay or only written down."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import anyio

from toolscript.approvals.plan import PlanRow
from toolscript.approvals.request import Verdict
from toolscript.errors import ApprovalUnavailable, ToolError
from toolscript.facade.road import Road, Trip, widened
from toolscript.registry.classification import Classification, Danger, Effect
from toolscript.registry.context import SandboxMode, ToolContext

if TYPE_CHECKING:
    from toolscript.facade.scope import RunScope
    from toolscript.registry.tool import Tool

UNANSWERED = "planned; this is a dry run, and nobody knows what it would answer"


@runtime_checkable
class Assumable(Protocol):
    """A tool whose answer can be assumed in a dry run: what it would give if all went well."""

    def assumed(self, arguments: Any) -> Any:
        """Return the output that a plan goes on with."""
        ...


class PlanningRoad(Road):
    """The road of a dry run; ``rows`` is the plan so far.

    Reads and searches run on the overlay. File tools really compute on it. Known-safe commands that nobody need be
    asked about run, read-only, while nothing is planned. Other commands are written down and assumed to succeed.
    What a rule denies is denied here as it would be. All else stays pending: nobody knows what it would answer.
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
        verdict, why = self.gate.judge(tool, seen, arguments)
        if verdict is Verdict.DENY:
            trip.diff = seen.diff
            self.rows.append(replace(self._row(trip, tool, arguments, seen), denied=why))
            raise ApprovalUnavailable(why, tool=tool.spec.path)
        if verdict is Verdict.ALLOW and self._harmless(seen):
            async with self.slots:
                return await tool.call(arguments, replace(context, sandbox=SandboxMode.READ_ONLY))
        asks = why if verdict is not Verdict.ALLOW else ""
        return await self._plan(trip, tool, arguments, context, seen, asks)

    def _harmless(self, seen: Classification) -> bool:
        planned = any(not row.denied for row in self.rows)
        return seen.effect is Effect.EXECUTE and seen.danger is Danger.KNOWN_SAFE and seen.confined and not planned

    async def _plan(
        self, trip: Trip, tool: Tool, arguments: Any, context: ToolContext, seen: Classification, asks: str
    ) -> Any:
        trip.planned = True
        trip.diff = seen.diff
        computes = seen.effect is Effect.WRITE and tool.spec.through_files
        row = self._row(trip, tool, arguments, seen)
        row = replace(row, asks=asks, waits=not (computes or isinstance(tool, Assumable)))
        self.rows.append(row)
        if computes:
            output = await tool.call(arguments, widened(context, seen))
        elif isinstance(tool, Assumable):
            output = tool.assumed(arguments)
            self._assumed.append(row.number)
        elif trip.rendered:  # no script waits for it: the model reads at once that there is no answer
            raise ToolError(f"{tool.spec.path}: {UNANSWERED}", tool=tool.spec.path, code="planned")
        else:
            self._hold(trip.call.number)
            await anyio.sleep(math.inf)
        self._ended.append(row.number)
        return output

    def _row(self, trip: Trip, tool: Tool, arguments: Any, seen: Classification) -> PlanRow:
        return PlanRow(
            number=trip.call.number, tool=tool.spec.path, arguments=tool.spec.input.dump(arguments),
            effect=seen.effect.value, summary=seen.summary, line=trip.call.line, diff=seen.diff, before=seen.before,
            after=tuple(self._ended), assumes=tuple(self._assumed), undoable=seen.undoable,
        )  # fmt: skip
