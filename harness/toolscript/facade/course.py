"""Decides how a started script is served until it ends: messages out, settlements in, one at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

from toolscript.errors import (
    DeadlockError,
    Position,
    RunAborted,
    TimersExceeded,
    ToolCancelled,
    ToolscriptError,
    WorkerCrashed,
)
from toolscript.events import RunStatus, ScriptStarted
from toolscript.facade.clock import WallClock
from toolscript.facade.console import Console
from toolscript.facade.crew import Crew
from toolscript.facade.ending import Ending, unexpected
from toolscript.facade.pending import Outcome, Pending, error_text
from toolscript.facade.road import Road
from toolscript.facade.scope import RunScope
from toolscript.facade.spawn import CALLS, Spawner
from toolscript.facade.tasks import TaskBoard
from toolscript.journal.records import CallRecord, LogRecord, RunRecord, TimerRecord
from toolscript.runtime.session import (
    Batch,
    Call,
    Done,
    Failed,
    Log,
    Message,
    Session,
    Sessions,
    Settlement,
    Start,
    StoreChange,
    Timer,
    TimerCleared,
)

PARTIAL = "the plan ends here: nobody knows what this call would answer"
TURN_SECONDS = 0.005
"""For how long calls that answer at once may keep the loop to themselves."""
PORTION = 5
"""How many calls of one step begin before the script hears of those that have answered by then."""


def _cancelling() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


class Course:
    """One execution of one script, from its worker's first batch to its ending."""

    def __init__(
        self, scope: RunScope, board: TaskBoard, task_prefix: str, record: Callable[[], RunRecord] | None = None
    ) -> None:
        """Prepare it; ``record`` returns what is written down of a script that begins."""
        self.scope = scope
        self._record = record
        self.clock = WallClock(scope.limits.wall_seconds)
        self.pending = Pending(self.clock, scope.journal)
        self.console = Console(scope.emitter, scope.limits)
        self.road = self.make_road()
        self.spawner = Spawner(board, self.road, scope, task_prefix)
        self.calls: dict[int, Call] = {}
        self._departing: list[Call] = []
        self._settle_early: Callable[[Callable[[], Sequence[Settlement]]], None] = lambda settlements: None
        self.timers = 0
        self.store: dict[str, str | None] = {}
        self.warnings: list[str] = []
        self.prepared: str | None = None
        self.suspended: ToolscriptError | None = None
        """Why the run stays interrupted: it has no ending then, and its journal none either."""
        self.broken: ToolscriptError | None = None
        """Why the run cannot go on, though its script could: a call of it was lost."""
        self._began = self._turned = time.monotonic()
        self._cancelled_before = _cancelling()
        self._guest_seconds = 0.0

    def make_road(self) -> Road:
        """Return the road that the calls of this run take."""
        if self.scope.planned is not None:
            from toolscript.facade.planning import PlanningRoad

            return PlanningRoad(self.scope, self.waiting, self.scope.planned, self.pending.hold)
        if self.scope.plan is not None:
            from toolscript.facade.binding import BoundRoad

            return BoundRoad(self.scope, self.waiting)
        return Road(self.scope, self.waiting)

    async def run(self, sessions: Sessions, start: Start, crew: Crew) -> Ending:
        """Serve the script until it ends; what it leaves pending is cancelled, with the crew, which is its own."""
        try:
            async with sessions.checkout() as session:
                return await self._serve(session, start, crew)
        except Exception as error:
            problem = unexpected(error, "the run")
            if getattr(problem, "lost_logs", False):
                self.warnings.append("console lines written after the last await are lost")
            return Ending(status=RunStatus.FAILED, error=problem)
        finally:
            self.pending.close()
            crew.cancel()

    async def _serve(self, session: Session, start: Start, crew: Crew) -> Ending:
        session.on_loss(self.pending.lose)
        self._settle_early = session.settle_early
        ending = await self.begin(session, start, crew)
        while ending is None:
            if (hopeless := self._hopeless(session)) is not None:
                return hopeless
            # Whoever has an answer to come looks at that before it waits for calls.
            settlements = self.pending.due() if session.owed else await self.pending.next(self.console.due)
            if self.console.due == 0:
                self.console.flush()
            if self.road.stop is not None:
                return Ending(status=RunStatus.FAILED, error=self.road.stop)
            if settlements or session.owed:
                ending = self.take(await session.settle(settlements), crew)
                await self._turn()
        return ending

    def _hopeless(self, session: Session) -> Ending | None:
        """Return the ending of a script that nothing can settle any more."""
        if self.broken is not None:
            return Ending(status=RunStatus.FAILED, error=self.broken)
        if session.owed:
            return None
        if self.pending.idle:
            return Ending(status=RunStatus.FAILED, error=DeadlockError(self._last_position()))
        if self.pending.lost:
            return Ending(status=RunStatus.FAILED, error=WorkerCrashed("the worker ended while its script waited"))
        if self.pending.only_held:
            return Ending(status=RunStatus.ABORTED, error=RunAborted(PARTIAL).at(self._last_position()))
        return None

    async def _turn(self) -> None:
        """Give the loop a turn where it may have had none for a while, or somebody cancelled this run meanwhile.

        Calls that answer at once, and answers that are there when they are looked for, leave it none.
        """
        now = time.monotonic()
        if now - self._turned > TURN_SECONDS or _cancelling() > self._cancelled_before:
            self._turned = now
            await asyncio.sleep(0)

    async def begin(self, session: Session, start: Start, crew: Crew) -> Ending | None:
        """Start the script; returns its ending if it has one already.

        It is written down while its worker begins with it: nothing that it wants is done before.
        """
        return self.take([await session.start(start, meanwhile=partial(self.begun, crew))], crew)

    def begun(self, crew: Crew) -> None:
        """Tell that a worker has the script, write that down, and prepare for what it will want."""
        crew.prepare()
        self.road.prepare()
        self.write_down()
        self.scope.emitter.emit(ScriptStarted, script_hash=self.scope.script_hash)

    def write_down(self) -> None:
        """Write the record of a script that begins, unless that was done."""
        if self._record is not None:
            record, self._record = self._record, None
            self.scope.journal.write(record())

    def take(self, batches: Sequence[Batch], crew: Crew) -> Ending | None:
        """Do all that the batches say; returns the ending if the script has come to one.

        What comes of it at once is written down at once: before the script, or anybody else, hears of it.
        """
        with self.scope.journal.together():
            if (ending := self._taken(batches)) is not None:
                return ending
            self._depart(crew)
        while self._departing:
            self._settle_early(self.pending.ready)
            with self.scope.journal.together():
                self._depart(crew)
        return None

    def _taken(self, batches: Sequence[Batch]) -> Ending | None:
        for batch in batches:
            self.prepared = batch.prepared or self.prepared
            self._guest_seconds = batch.guest_seconds
            for message in batch.messages:
                self.handle(message)
            if (ended := batch.ended) is not None:
                return self.ended(ended)
        return None

    def depart(self, crew: Crew) -> None:
        """Send the calls on their way; only now, since of a script that has ended none does anything any more."""
        while self._departing:
            self._depart(crew)

    def _depart(self, crew: Crew) -> None:
        """Send a few calls on their way, so that the script hears of those that end at once while others begin."""
        calls, self._departing = self._departing[:PORTION], self._departing[PORTION:]
        crew.begin(*map(self._travel, calls))

    def handle(self, message: Message) -> None:
        """Do what the script wants, and write it down; its calls are not on their way before :meth:`depart`."""
        match message:
            case Call():
                self._call(message)
            case Log():
                self.scope.journal.write(LogRecord(level=message.level, text=message.text))
                self.console.write(message)
            case Timer():
                self._timer(message)
            case TimerCleared():
                self.pending.clear_timer(message.number)
            case StoreChange():
                self.store[message.key] = message.value
            case Done() | Failed():
                pass

    def _call(self, call: Call) -> None:
        self.calls[call.number] = call
        self.scope.journal.write(
            CallRecord(
                number=call.number,
                tool=call.tool,
                arguments=call.arguments,
                line=call.line,
                column=call.column,
                spawn=call.spawn,
                time_ms=int(time.time() * 1000),
            )
        )
        self.send(call)

    def send(self, call: Call) -> None:
        """Have a call depart; its outcome will be settled."""
        self.pending.begin(call.number)
        if call.spawn:
            self.spawner.start(call, self._deliver)
        else:
            self._departing.append(call)

    async def _travel(self, call: Call) -> None:
        try:
            go = self.spawner.answer if call.tool in CALLS else self.road.travel
            self.pending.deliver(await go(call))
        except Exception as error:
            self.fail(unexpected(error, call.tool))
        except asyncio.CancelledError:
            if _cancelling():
                raise
            # Nobody asked for it: something that the tool awaited was cancelled. The script need not wait for ever.
            lost = ToolCancelled(f"{call.tool} was cancelled from within", tool=call.tool)
            self._deliver(Outcome(number=call.number, ok=False, value=error_text(call.tool, lost), status="cancelled"))

    def fail(self, error: ToolscriptError) -> None:
        """End the run: a call of it can have no outcome any more."""
        self.broken = self.broken or error
        self.pending.lose()

    def _deliver(self, outcome: Outcome) -> None:
        """Hand a task's outcome to the script. Raises what it could not be written down for; the run ends then."""
        try:
            self.pending.deliver(outcome)
        except Exception as error:
            self.fail(unexpected(error, self.calls[outcome.number].tool))
            raise

    def _timer(self, timer: Timer) -> None:
        self.timers += 1
        if self.timers > self.scope.limits.timers:
            raise TimersExceeded(self.scope.limits.timers, self.timers)
        due = self.pending.set_timer(timer.number, timer.delay_ms)
        self.scope.journal.write(TimerRecord(number=timer.number, due=due))

    def waiting(self, number: int, waits: bool) -> None:
        """Hear that a call began or ceased to wait for a person."""
        self.pending.asking(number, waits)
        if self.calls[number].spawn:
            self.spawner.waiting(number, waits)

    def ended(self, ended: Done | Failed) -> Ending:
        """Return the ending that the script came to, and warn of what it left behind."""
        self._warn_unawaited(ended.unawaited)
        return Ending.of(ended)

    def _warn_unawaited(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            call = self.calls.get(number)
            if call is None or call.spawn:
                continue
            ended = number not in self.pending.open_calls
            what = "had ended" if ended else "was cancelled"
            where = f"line {call.line}: " if call.line else ""
            self.warnings.append(f"{where}nobody awaited {call.tool}; it {what} when the script ended")

    def _last_position(self) -> Position | None:
        for number in sorted(self.calls, reverse=True):
            call = self.calls[number]
            if call.line is not None:
                return Position(call.line, call.column or 1)
        return None

    @property
    def lasting(self) -> bool:
        """Whether something of it must be durable before anybody hears of its end."""
        return self.road.had_effect or bool(self.store)

    def close_journal(self) -> None:
        """Give the journal up, as soon as the last task that this script spawned has ended."""
        self.spawner.when_idle(self.scope.journal.close)

    def durations(self) -> dict[str, float]:
        """Return milliseconds: in all, computing, and waiting for people."""
        total = time.monotonic() - self._began
        self.clock.go()
        return {
            "total": round(total * 1000, 3),
            "guest": round(self._guest_seconds * 1000, 3),
            "waiting_for_approval": round(self.clock.waited * 1000, 3),
        }
