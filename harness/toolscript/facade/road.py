"""Decides the one road of every call: validate, count, consent, slot, tool, outcome, event."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from toolscript import units
from toolscript.approvals.choices import Choice
from toolscript.approvals.ways import who
from toolscript.errors import (
    ApprovalDenied,
    ApprovalError,
    CallsExceeded,
    DenialsExceeded,
    Json,
    OutputTooLarge,
    Position,
    ToolError,
    ToolNotAllowed,
    ToolscriptError,
    UnknownTool,
)
from toolscript.events import OperationFinished, OperationOutputDelta, OperationStarted, OperationStatus
from toolscript.facade.pending import Outcome, error_text
from toolscript.facade.recording import RecordingFiles
from toolscript.journal.records import BeginRecord, OutputRecord, StartedRecord
from toolscript.logs import get_logger
from toolscript.registry.effects import Effect
from toolscript.registry.tool import Failing, Tool
from toolscript.texts import dumps, loads

if TYPE_CHECKING:
    from toolscript.approvals.request import Decision
    from toolscript.facade.consent import Consented, Gate
    from toolscript.facade.scope import RunScope
    from toolscript.registry.classification import Classification
    from toolscript.registry.context import Answer, ProcessRecord, Question, ToolContext
    from toolscript.registry.files import Change, Place
    from toolscript.runtime.session import Call

log = get_logger(__name__)

STATUS_OF = {"cancelled": OperationStatus.CANCELLED}
KEPT_IN_EVENT = 64 * 1024
_UNLOCKED = nullcontext()
LOOKS = 8
"""How often a call that changes while it waits is consented to anew."""


class Wait:
    """Counts the seconds for which a call waited for people."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since: float | None = None

    def begin(self) -> None:
        """It waits."""
        self._since = time.monotonic()

    def end(self) -> None:
        """It waits no longer."""
        if self._since is not None:
            self.seconds += time.monotonic() - self._since
            self._since = None


@dataclass(slots=True, kw_only=True, eq=False)
class Trip:
    """One call on its way; what is learnt of it on the way."""

    call: Call
    arguments: Json = None
    asked: Any = None
    """The arguments as its tool takes them; those with which it runs may be others, if a person edited them."""
    tool: Tool | None = None
    began: float = field(default_factory=time.monotonic)
    changes: list[Change] = field(default_factory=list)
    diff: str | None = None
    value: Any = None
    rendered: bool = False
    failed: bool = False
    planned: bool = False
    text: str = ""
    stats: dict[str, Any] = field(default_factory=dict)
    task_id: str | None = None


class Road:
    """Takes the calls of one run, one :meth:`travel` each. Waiting approvals hold no slot."""

    def __init__(self, scope: RunScope, waiting: Callable[[int, bool], None]) -> None:
        self._scope = scope
        self._waiting = waiting
        self._waits: dict[int, Wait] = {}
        self._count = 0
        self._denials = 0
        self.stop: ToolscriptError | None = None
        """Set when a decision or too many denials must end the run."""
        self.on_stop: Callable[[int], None] = lambda number: None
        """Called with a call that ended when the run must end; tasks that outlive their script end with it."""
        self.had_effect = False
        self.changed = False
        """Whether a call that ended changed files."""
        self.travelling = 0
        """Calls on the road right now."""
        self.slots = asyncio.Semaphore(scope.limits.in_flight)
        """As many as may run at once; waiting approvals hold none."""

    @cached_property
    def gate(self) -> Gate:
        """Where calls are consented to; many scripts make none."""
        from toolscript.facade.consent import Gate

        return Gate(scope=self._scope, waiting=self._wait, denied=self._note_denial)

    def prepare(self) -> None:
        """Make what its first call will need, while nobody waits; where none was made yet, nothing is loaded for it."""
        if "toolscript.facade.consent" in sys.modules:
            _ = self.gate

    async def travel(self, call: Call, *, task_id: str | None = None, rendered: bool = False) -> Outcome:
        """Take one call to its end and return its outcome; never raises for what a tool or a person does.

        ``rendered`` also makes the text for a structured call. Cancellation passes through, after it was
        reported as cancelled.
        """
        trip = Trip(call=call, rendered=rendered, task_id=task_id)
        self.travelling += 1
        try:
            try:
                return await self._travelled(trip)
            except ToolscriptError as error:
                return self._failed(trip, error)
            except Exception as error:
                log.exception("tool failed unexpectedly", tool=call.tool)
                return self._failed(trip, ToolError(f"{call.tool} failed: {error!r}", tool=call.tool, code="internal"))
        except anyio.get_cancelled_exc_class():
            self._finish(trip, OperationStatus.CANCELLED, None)
            raise
        finally:
            self.travelling -= 1
            if self.stop is not None:
                self.on_stop(call.number)
            self._waits.pop(call.number, None)

    async def _travelled(self, trip: Trip) -> Outcome:
        trip.arguments = loads(trip.call.arguments)
        if trip.task_id is None:
            self.announce(trip.call, trip.arguments)
        value = await self._through(trip)
        changes = self._changes(trip)
        self._finish(trip, OperationStatus.PLANNED if trip.planned else OperationStatus.SUCCEEDED, None)
        return Outcome(
            number=trip.call.number,
            ok=not trip.failed,
            value=value,
            changes=changes,
            text=trip.text,
            output=trip.value if trip.rendered else None,
        )

    def _wait(self, number: int, waits: bool) -> None:
        wait = self._waits.setdefault(number, Wait())
        (wait.begin if waits else wait.end)()
        self._waiting(number, waits)

    def announce(self, call: Call, arguments: Json, task_id: str | None = None) -> None:
        """Tell that a call was made. Of a task that is when it is spawned: its script may end soon after."""
        tool = self._scope.tools.get(call.tool)
        self._scope.emitter.emit(
            OperationStarted, operation=call.number, tool=call.tool,
            arguments=_bounded(arguments, len(call.arguments)), task_id=task_id,
            effect=str(tool.spec.effect) if tool else "", line=call.line, column=call.column,
        )  # fmt: skip

    async def _through(self, trip: Trip) -> str:
        scope, call = self._scope, trip.call
        tool = trip.tool = self._allowed(call.tool)
        given = {} if trip.arguments is None else trip.arguments
        arguments = trip.asked = tool.spec.input.parse(call.tool, given)
        self._count_call()
        context = self._context(trip)
        output = await self.serve(trip, tool, arguments, context)
        trip.value = tool.spec.output.dump(output)
        if trip.rendered:
            trip.text = tool.render(arguments, output)
            trip.failed = isinstance(tool, Failing) and tool.failed(output)
            return ""
        return _encoded(trip, scope.limits.tool_output_bytes)

    async def serve(self, trip: Trip, tool: Tool, arguments: Any, context: ToolContext) -> Any:
        """Get consent, wait for a slot, and do it."""
        consented = await self.gate.pass_(tool, arguments, trip.call, context)
        async with self.slots:
            return await self.perform(trip, tool, consented, context)

    async def perform(self, trip: Trip, tool: Tool, consented: Consented, context: ToolContext) -> Any:
        """Do exactly what was consented to, as it is at the last moment; else ask anew.

        Raises ToolError ``changed`` for a call that is another one each time it is looked at.
        """
        if consented.unasked_read:
            trip.diff = consented.classification.diff
            return await tool.call(consented.arguments, widened(context, consented.classification))
        for _ in range(LOOKS):
            places = _changed_places(context, consented)
            async with self._scope.world.files.locked_async(*places) if places else _UNLOCKED:
                now = await self.gate.still(tool, consented, context)
                if now is not None:
                    trip.diff = now.classification.diff
                    if now.arguments is not trip.asked:
                        trip.stats["ran_with"] = _bounded(tool.spec.input.dump(now.arguments), None)
                    await self._begin(trip, now)
                    return await tool.call(now.arguments, widened(context, now.classification))
            consented = await self.gate.again(tool, consented, trip.call, context)
        raise ToolError(f"{tool.spec.path}: what it would do changes faster than anybody can agree to", code="changed")

    def _allowed(self, path: str) -> Tool:
        if (tool := self._scope.tools.get(path)) is not None:
            return tool
        try:
            self._scope.known(path)  # raises UnknownTool with near names
        except UnknownTool:
            raise
        except ToolError:  # its server does not run: counted, as any call that a server fails
            self._count_call()
            raise
        raise ToolNotAllowed(f"this run may not use {path}", tool=path, details={"allowed": list(self._scope.tools)})

    def _count_call(self) -> None:
        self._count += 1
        if self._count > self._scope.limits.calls:
            raise CallsExceeded(self._scope.limits.calls, self._count)

    def _context(self, trip: Trip) -> ToolContext:
        scope, number = self._scope, trip.call.number

        def emit(stream: Any, text: str) -> None:
            scope.emitter.emit(OperationOutputDelta, operation=number, stream=stream, text=text)
            scope.journal.write(OutputRecord(number=number, stream=stream, text=text))

        async def started(process: ProcessRecord) -> None:
            scope.journal.write(
                StartedRecord(number=number, pid=process.pid, start_time=process.start_time, boot_id=process.boot_id)
            )
            await scope.journal.sync()

        async def ask(question: Question) -> Answer:
            return await self.gate.question(trip.call, question)

        async def run_agent(agent: str, prompt: str) -> Json:
            if scope.run_agent is None:
                raise ToolError("no agents are configured here", tool="agent", code="unavailable")
            return await scope.run_agent(agent, prompt, f"{scope.run_id}/{number}")

        return scope.context(
            number, emit=emit, started=started, ask=ask, run_agent=run_agent,
            files=RecordingFiles(scope.world.files, trip.changes), catalogue=scope.catalogue,
        )  # fmt: skip

    async def _begin(self, trip: Trip, consented: Consented) -> None:
        effect = consented.classification.effect
        if effect is Effect.READ:
            return
        self.had_effect = True
        scope = self._scope
        paths: tuple[dict[str, Json], ...] = ()
        if any(p.kind != "read" for p in consented.classification.paths):
            from toolscript.facade.images import begin_paths

            paths = await to_thread.run_sync(
                begin_paths, consented.classification, scope.world.files, scope.world.cwd, scope.journal
            )
        scope.journal.write(BeginRecord(number=trip.call.number, effect=effect.value, paths=paths))
        await self._scope.journal.sync()

    def _note_denial(self, decision: Decision) -> None:
        self._denials += 1
        if decision.choice is Choice.DENY_AND_STOP:
            reason = f": {decision.reason}" if decision.reason else ""
            self.stop = ApprovalDenied(
                f"{who(decision.by)} denied the call and ended the turn{reason}", details={"ends_turn": True}
            )
        elif self._denials >= self._scope.limits.denials:
            self.stop = DenialsExceeded(self._scope.limits.denials, self._denials)

    def _failed(self, trip: Trip, error: ToolscriptError) -> Outcome:
        if isinstance(error, ToolError) and not error.tool:
            error.tool = trip.call.tool
        if self.stop is None and isinstance(error, ApprovalDenied) and error.details.get("ends_turn"):
            self.stop = error  # said of a call of an agent that this call asked
        if trip.call.line is not None:
            error.at(Position(trip.call.line, trip.call.column or 1))
        status = OperationStatus.DENIED if isinstance(error, ApprovalError) else OperationStatus.FAILED
        self._finish(trip, status, error)
        return Outcome(
            number=trip.call.number, ok=False, value=error_text(trip.call.tool, error), status=status.value,
            text=error.message, changes=self._changes(trip),
        )  # fmt: skip

    def _changes(self, trip: Trip) -> tuple[dict[str, Json], ...]:
        if not trip.changes:
            return ()
        from toolscript.facade.images import change_records

        self.changed = True
        return change_records(trip.changes, self._scope.journal)

    def _finish(self, trip: Trip, status: OperationStatus, error: ToolscriptError | None) -> None:
        waited = 0.0
        if (wait := self._waits.get(trip.call.number)) is not None:
            wait.end()
            waited = wait.seconds
            trip.stats["waited_ms"] = round(waited * 1000, 3)
        self._scope.emitter.emit(
            OperationFinished, operation=trip.call.number, tool=trip.call.tool, status=status,
            output=_bounded(trip.value, trip.stats.get("output_bytes")), error=error.to_json() if error else None,
            duration_ms=round((time.monotonic() - trip.began - waited) * 1000, 3), diff=trip.diff, **trip.stats,
        )  # fmt: skip


def _changed_places(context: ToolContext, consented: Consented) -> list[Place]:
    """Return the places that the call changes: they are held from the last look until it has ended."""
    paths = (p.path for p in consented.classification.paths if p.kind != "read")
    return [context.files.place(str(path), context.cwd, follow=False) for path in paths]


def widened(context: ToolContext, seen: Classification) -> ToolContext:
    """Return the context with files that may also touch exactly what a person or a rule consented to."""
    paths = [p.path for p in seen.paths if p.protected or not p.inside] if seen.paths else None
    return replace(context, files=context.files.permitting(paths)) if paths else context


def _encoded(trip: Trip, most: int) -> str:
    """Return the value as JSON text. Raises OutputTooLarge by the bytes of the value, not of its escapes."""
    text = dumps(trip.value)
    size = len(text) if text.isascii() else len(text.encode())
    if size > most + 4096 and (real := _weight(trip.value)) > most + 4096:
        tool = trip.call.tool
        raise OutputTooLarge(
            f"{tool} gave {units.size(real)}, at most {units.size(most)} fit one result; "
            "ask for a part (offset and limit) or narrow the request",
            tool=tool, details={"allowed": most, "used": real},
        )  # fmt: skip
    trip.stats["output_bytes"] = size
    if isinstance(trip.value, dict):
        trip.stats |= {"truncated": bool(trip.value.get("truncated")), "handle": trip.value.get("handle")}
    return text


def _weight(value: Json) -> int:
    """Return the bytes of a value: of its texts in UTF-8, and of what JSON writes between them."""
    match value:
        case str():
            return len(value.encode("utf-8", "replace")) + 2
        case list() | tuple():
            return 2 + sum(_weight(item) + 1 for item in value)
        case dict():
            return 2 + sum(_weight(key) + _weight(item) + 2 for key, item in value.items())
        case _:
            return len(json.dumps(value))


def _bounded(value: Json, size: int | None) -> Json:
    """Return the value for an event: large ones as the head of their JSON, since events are shown, not used.

    ``size`` is that of its JSON, where it is known already.
    """
    if value is None or (size is not None and size <= KEPT_IN_EVENT):
        return value
    if isinstance(value, dict) and str(value.get("imageUrl", "")).startswith("data:image/"):
        return value  # the head of a picture shows nothing
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= KEPT_IN_EVENT else text[:KEPT_IN_EVENT] + "…"
