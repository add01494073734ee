"""Decides how an interrupted run goes on: what had ended is fed from its tape, each open call gets what is safe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from toolscript.approvals.request import Verdict
from toolscript.errors import (
    DenialsExceeded,
    Json,
    OutcomeUnknown,
    RunAborted,
    StillInterrupted,
    ToolError,
    ToolscriptError,
)
from toolscript.events import OperationFinished, OperationStarted, OperationStatus, RunStatus, ScriptExecution
from toolscript.facade.binding import BoundRoad
from toolscript.facade.clock import WallClock
from toolscript.facade.course import Course
from toolscript.facade.crew import Crew
from toolscript.facade.ending import Ending
from toolscript.facade.pending import Outcome
from toolscript.facade.road import Road, Trip
from toolscript.facade.scope import RunScope
from toolscript.facade.spawn import CALLS
from toolscript.facade.tasks import Task, TaskBoard
from toolscript.journal.records import EndRecord, LogRecord
from toolscript.recovery.completing import Completion, complete, completion, standings
from toolscript.recovery.follow import Diverged, Divergence, Follower, differing, ending_text, shown
from toolscript.recovery.history import elsewhere
from toolscript.recovery.past import OpenCall, Past
from toolscript.recovery.tape import Tape
from toolscript.recovery.unknown import Resolution, Unknown, check_given, resolve, unanswered
from toolscript.registry.classification import Classification, Danger, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.tool import Tool
from toolscript.runtime.session import (
    Call,
    Done,
    Failed,
    Log,
    Message,
    Session,
    Start,
    StoreChange,
    Timer,
    TimerCleared,
)

Treatment = Completion | Resolution
"""What becomes of an open call; without one it takes the ordinary road."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A run to go on with. ``given`` answers, by call number, what nobody can know."""

    past: Past
    scope: RunScope
    given: Mapping[int, Resolution]


class ResumedRoad(BoundRoad):
    """The road of a resumed run: calls that had begun get their treatment, and its plan binds it as before."""

    def __init__(self, scope: RunScope, waiting: Any, past: Past) -> None:
        super().__init__(scope, waiting)
        self._past = past
        self._count = past.counted
        self._denials = past.denials
        if past.stopped:
            self.stop = ToolError("denied", code="denied_and_stopped")
        elif past.denials >= scope.limits.denials:
            self.stop = DenialsExceeded(scope.limits.denials, past.denials)
        self.treatments: dict[int, Treatment] = {}
        self._rows = past.rows
        if self.binding is not None:
            for call in self._rows.keys() & past.ended.keys():
                self.binding.use(self._rows[call])
                self.binding.ended(self._rows[call])
        self.changed = any(record.changes for record in past.ended.values())
        self.had_effect = any(call.begin for call in past.open.values())

    async def serve(self, trip: Trip, tool: Tool, arguments: Any, context: ToolContext) -> Any:
        """Serve a call as its treatment says, else as ever."""
        treatment = self.treatments.pop(trip.call.number, None)
        row = self._rows.get(trip.call.number)
        if treatment is None or self.binding is None or row is None:
            return await self._served(treatment, trip, tool, arguments, context)
        self.binding.use(row)
        try:
            return await self._served(treatment, trip, tool, arguments, context)
        finally:
            self.binding.ended(row)

    async def _served(
        self, treatment: Treatment | None, trip: Trip, tool: Tool, arguments: Any, context: ToolContext
    ) -> Any:
        match treatment:
            case Completion() as done:
                return await self._complete(trip, tool, context, done)
            case Resolution(kind="happened", outcome=outcome):
                return tool.spec.output.check(outcome)
            case Resolution(kind="fail"):
                raise OutcomeUnknown(
                    f"{tool.spec.path}: the host died while it ran; whether it took effect cannot be known",
                    tool=tool.spec.path, details={"output": dict(self._past.open[trip.call.number].output)},
                )  # fmt: skip
        return await super().serve(trip, tool, arguments, context)

    async def _complete(self, trip: Trip, tool: Tool, context: ToolContext, done: Completion) -> Any:
        call, body = self._past.open[trip.call.number], self._scope.journal.body
        assert call.begin is not None
        arguments = tool.spec.input.parse(tool.spec.path, call.arguments)
        async with self.slots, self._scope.world.files.locked_async(*(cut.place for cut in done.cuts)):
            return await complete(done, call.begin, trip, tool, arguments, context, body)

    async def treatment(self, call: OpenCall) -> Treatment | Unknown | None:
        """Return what becomes of an open call; Unknown: somebody must say."""
        tool = self._scope.tools.get(call.record.tool)
        if tool is None or call.begin is None:
            return None
        arguments = tool.spec.input.parse(tool.spec.path, call.arguments)
        context = self._context(Trip(call=as_call(call)))
        seen = await _classified(tool, arguments, context, Effect(call.begin.effect))
        if tool.spec.held and call.begin.effect == Effect.EXECUTE:
            if call.started is None or seen.danger is Danger.KNOWN_SAFE:
                return None
        elif call.begin.effect == Effect.WRITE and call.begin.paths:
            files, body = self._scope.world.files, self._scope.journal.body
            cuts = await to_thread.run_sync(standings, call.begin, files, context.cwd, body)
            done = await completion(tool, arguments, cuts, context, files) if cuts else None
            if done is not None:
                return done
        return Unknown(call=call, tool=tool, arguments=arguments, classification=seen)

    async def needs_person(self, call: OpenCall) -> bool:
        """Say whether a call that waited for a person would wait again."""
        tool = self._scope.tools.get(call.record.tool)
        if tool is None or call.begin is not None or not call.waiting:
            return False
        arguments = tool.spec.input.parse(tool.spec.path, json.loads(call.record.arguments) or {})
        try:
            return await self.gate.verdict(tool, arguments, self._context(Trip(call=as_call(call)))) is Verdict.ASK
        except ToolscriptError:
            return False


class ResumedCourse(Course):
    """One interrupted run, from the start of its tape to its ending, or to the reason why it stays interrupted."""

    def __init__(self, interrupted: Interrupted, board: TaskBoard) -> None:
        self._past = interrupted.past
        self._given = interrupted.given
        self._board = board
        self._fresh: list[Message] = []
        self._open_timers: set[int] = set()
        self.resumed = ResumedRoad(interrupted.scope, self.waiting, interrupted.past)
        super().__init__(interrupted.scope, board, interrupted.past.tape.run.task_prefix)
        self.suspended = RunAborted("the resume was stopped before the run went on")

    def make_road(self) -> Road:
        """Return the road with the treatments."""
        return self.resumed

    async def begin(self, session: Session, start: Start, crew: Crew) -> Ending | None:
        """Feed the tape, find out what becomes of the open calls, and only then let anything happen."""
        self.begun(crew)
        try:
            ended = await self._follow(session)
            if ended is None:
                await self.treat()
            else:
                check_given(self._given, ())
        except Diverged as caught:
            self.suspended = StillInterrupted(
                f"the run does not replay, so it cannot go on:\n{caught.divergence}", code="diverged"
            )
            return Ending(status=RunStatus.FAILED, error=self.suspended)
        except ToolscriptError as error:
            self.suspended = error
            return Ending(status=RunStatus.FAILED, error=error)
        self.suspended = None
        return self._go_on(ended, crew)

    async def _follow(self, session: Session) -> Done | Failed | None:
        follower = Follower(self._past.tape, self._hear)
        ended = await follower.run(session)
        if follower.missing is not None:
            raise Diverged(Divergence(expected=shown(follower.missing), got=ending_text(ended)))
        return ended

    def _hear(self, message: Message, recorded: bool) -> None:
        """Note what the script has done again; what it does beyond its record waits until the run goes on."""
        if self._fresh or not recorded:
            self._fresh.append(message)
            return
        match message:
            case Call():
                self.calls[message.number] = message
            case Timer():
                self.timers += 1
                self._open_timers.add(message.number)
            case TimerCleared():
                self._open_timers.discard(message.number)
            case StoreChange():
                self.store[message.key] = message.value
            case Log():
                self.console.dropped += message.dropped
            case _:
                pass

    async def treat(self) -> None:
        """Decide on every open call. Raises StillInterrupted when somebody must say, and nobody can."""
        road, scope = self.resumed, self.scope
        unknowns: list[Unknown] = []
        for call in self._past.open.values():
            if call.record.tool in CALLS:
                continue
            if not scope.bridge.can_ask and await road.needs_person(call):
                number, tool = call.record.number, call.record.tool
                raise StillInterrupted(
                    f"#{number} {tool} waits for consent, and nobody can be asked here", code="consent_needed"
                )
            treatment = await road.treatment(call)
            if isinstance(treatment, Unknown):
                unknowns.append(treatment)
            elif treatment is not None:
                road.treatments[call.record.number] = treatment
        check_given(self._given, unknowns)
        await self._ask(unknowns)

    async def _ask(self, unknowns: list[Unknown]) -> None:
        """Ask about all unknown outcomes at once; the answers that there are count even if one is missing."""
        problems: list[ToolscriptError] = []
        missing: list[Unknown] = []

        async def ask(unknown: Unknown) -> None:
            try:
                resolution = await resolve(unknown, self.scope, self._given)
            except ToolscriptError as error:
                problems.append(error)
                return
            if resolution is None:
                missing.append(unknown)
            elif resolution.kind != "again":
                self.resumed.treatments[unknown.call.record.number] = resolution

        async with anyio.create_task_group() as group:
            for unknown in unknowns:
                group.start_soon(ask, unknown)
        if problems:
            raise problems[0]
        if missing:
            raise unanswered(missing)

    def _go_on(self, ended: Done | Failed | None, crew: Crew) -> Ending | None:
        # Nobody's time passed while the run lay there and while people were asked about it.
        self.clock = self.pending.clock = WallClock(self.scope.limits.wall_seconds)
        self._tell()
        self.pending.resume_tape(max((r.time_ms for r in self._past.ended.values()), default=0))
        timers = (t for t in self._past.timers.values() if t.number in self._open_timers - self._past.ended.keys())
        for timer in sorted(timers, key=lambda t: (t.due, t.number)):
            self.pending.resume_timer(timer.number, timer.due)
        for number in self._past.open:
            if ended is None:
                self.send(self.calls[number])
            else:  # the script did not wait for it
                self.pending.begin(number)
        for message in self._fresh:
            self.handle(message)
        if ended is not None:
            return self.ended(ended)
        self.depart(crew)
        return None

    def _tell(self) -> None:
        """Let those who watch see what had happened before."""
        for record in self._past.story:
            match record:
                case LogRecord():
                    self.console.write(Log(level=record.level, text=record.text))  # type: ignore[arg-type]
                case EndRecord() if (call := self.calls.get(record.number)) is not None:
                    _tell_operation(self.scope, call, record, self._past.edited(call.number))
                    if call.spawn:
                        self._restore_task(call, record)

    def _restore_task(self, call: Call, record: EndRecord) -> None:
        task = Task(
            task_id=f"{self._past.tape.run.task_prefix}.{call.number}", number=call.number, tool=call.tool,
            scope="turn", turn_id=self.scope.turn_id, clock=WallClock(self.scope.limits.task_seconds),
        )  # fmt: skip
        outcome = Outcome(number=record.number, ok=record.ok, value=record.value, status=record.status)
        self._board.restore(task, outcome)


def _tell_operation(scope: RunScope, call: Call, record: EndRecord, ran_with: Json) -> None:
    value, tool = json.loads(record.value), scope.tools.get(call.tool)
    scope.emitter.emit(
        OperationStarted, operation=call.number, tool=call.tool, arguments=json.loads(call.arguments),
        effect=tool.spec.effect.value if tool else "", line=call.line, column=call.column,
    )  # fmt: skip
    scope.emitter.emit(
        OperationFinished, operation=call.number, tool=call.tool, status=OperationStatus(record.status),
        output=value if record.ok else None, error=None if record.ok else value, ran_with=ran_with,
    )  # fmt: skip


async def _classified(tool: Tool, arguments: Any, context: ToolContext, begun: Effect) -> Classification:
    """Return what the call would do; what can no longer be worked out is what it began as."""
    try:
        return await tool.classify(arguments, context)
    except ToolscriptError:
        return Classification(effect=begun)


def as_call(call: OpenCall) -> Call:
    """Return an open call as the script made it."""
    record = call.record
    return Call(
        number=record.number, tool=record.tool, arguments=record.arguments, line=record.line, column=record.column,
        spawn=record.spawn,
    )  # fmt: skip


def announce(scope: RunScope, past: Past) -> None:
    """Tell that an interrupted run goes on."""
    run = past.tape.run
    scope.emitter.emit(
        ScriptExecution,
        source=run.source,
        script_hash=run.script_hash,
        origin=run.origin,
        allowed_tools=run.allowed_tools,
    )


def check_resumable(tape: Tape, name: str, workspace: Path, digests: dict[str, str]) -> None:
    """Raise StillInterrupted for a run that has ended, belongs elsewhere, or was made by another installation.

    ``name`` is that of its journal.
    """
    run = tape.run
    if tape.end is not None:
        raise StillInterrupted(
            f"{run.run_id} has ended ({tape.end.status}); there is nothing to resume", code="not_resumable"
        )
    if why := elsewhere(run, name, workspace):
        raise StillInterrupted(why, code="not_resumable")
    if others := differing(tape, digests):
        raise StillInterrupted(
            f"{run.run_id} was made with another {', '.join(others)}; resume it with the installation that began it",
            code="other_installation", details={"differing": list(others)},
        )  # fmt: skip
