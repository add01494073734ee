"""Decides how one script becomes a run: joins language, runtime, facade and journal."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import anyio

from toolscript.errors import Json, RunAborted, StoreTooLarge, ToolscriptError
from toolscript.events import RunStatus, ScriptExecution, ScriptExecutionOutput
from toolscript.facade.course import Course
from toolscript.facade.crew import Crew
from toolscript.facade.ending import Ending, unexpected
from toolscript.facade.large import reference
from toolscript.facade.pending import Outcome
from toolscript.facade.scope import RunScope
from toolscript.facade.store import Store
from toolscript.facade.tasks import TaskBoard
from toolscript.journal.records import CallRecord, EndRecord, RunEndRecord, RunRecord
from toolscript.language.cache import ScriptCache
from toolscript.language.parser import Parsed
from toolscript.limits import Limits
from toolscript.memo import Latest
from toolscript.runtime.session import Call, FacadeEntry, Sessions, Start
from toolscript.texts import loads
from toolscript.values import quick

_AT_ONCE = nullcontext()
Origin = Literal["model", "cell", "file", "replay", "undo", "call"]
"""Who wrote a script; ``call`` is a structured call, which has none."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One parsed script with all its inputs but those of the scope."""

    parsed: Parsed
    origin: Origin
    last_expression: bool = False
    params: str = "null"
    context: str = "{}"
    seed: int = field(default_factory=lambda: secrets.randbits(32))
    time_ms: int = field(default_factory=lambda: int(time.time() * 1000))
    task_prefix: str = "task"
    store: str = "{}"
    mode: Literal["off", "dry-run", "on"] = "on"


class Runner:
    """Executes scripts, one for each call of :meth:`execute`; holds nothing between them."""

    def __init__(self, sessions: Sessions, cache: ScriptCache, board: TaskBoard, store: Store) -> None:
        self._sessions = sessions
        self._cache = cache
        self.board = board
        self._store = store
        self._stops: dict[str, anyio.CancelScope] = {}

    def rehearsing(self) -> Runner:
        """Return a runner for what is only planned: its store is a copy, and its runs can be stopped here."""
        other = Runner(self._sessions, self._cache, self.board, self._store.copy())
        other._stops = self._stops
        return other

    def stored(self) -> str:
        """Return what scripts of this conversation keep, as a script finds it."""
        return self._store.snapshot()

    def expect(self) -> None:
        """Say that a script is about to be executed: what must be got ready for it is, meanwhile."""
        self._sessions.rouse()

    async def execute(self, script: Script, scope: RunScope) -> Ending:
        """Run the script to its end; events and records tell of it, and the ending is returned.

        Never raises for what the script, a tool, a limit or the worker does. When cancelled, reports the run as
        aborted, waits until its calls are gone, and lets the cancellation through.
        """
        start = self._start(script, scope)
        announce(script, scope)
        course = Course(scope, self.board, script.task_prefix, partial(run_record, script, scope))
        ending = await self.conduct(course, start)
        if course.prepared is not None:
            digest = script.parsed.script_hash
            self._cache.put(digest, course.prepared, last_expression=script.last_expression)
        return ending

    async def conduct(self, course: Course, start: Start) -> Ending:
        """Serve one script to its end, or until it is suspended; as :meth:`execute`."""
        scope = course.scope
        ending: Ending | None = None
        try:
            async with Crew() as crew:
                self._stops[scope.run_id] = crew.scope
                ending = await course.run(self._sessions, start, crew)
        except Exception as error:
            ending = Ending(status=RunStatus.FAILED, error=unexpected(error, "the run"))
        finally:
            self._stops.pop(scope.run_id, None)
            # Whatever ended it, a run is reported and written down before anybody goes on.
            with anyio.CancelScope(shield=True) if course.lasting else _AT_ONCE:
                ending = await self._closed(course, ending or _stopped())
        return ending

    def is_running(self, run_id: str) -> bool:
        """Say whether a run goes on."""
        return run_id in self._stops

    def abort(self, run_id: str) -> bool:
        """Stop a run, whoever waits for it; False if no such run goes on."""
        if (stop := self._stops.get(run_id)) is None:
            return False
        stop.cancel()
        return True

    async def call(self, path: str, arguments: str, scope: RunScope) -> tuple[Outcome, bool]:
        """Serve one structured call: the same road, without a script. Returns its outcome, and whether a person
        denied it and wants whatever it belongs to to end.
        """
        course = Course(scope, self.board, "task")
        call = course.calls[1] = Call(number=1, tool=path, arguments=arguments)
        source = f"// {path}"
        parsed = Parsed(source=source, script_hash=scope.script_hash, limits=scope.limits)
        scope.journal.write(run_record(Script(parsed=parsed, origin="call"), scope))
        scope.journal.write(CallRecord(number=1, tool=path, arguments=arguments, time_ms=_now()))
        outcome = await self.finish_call(course, call)
        return outcome, course.road.stop is not None and bool(course.road.stop.details.get("ends_turn"))

    async def finish_call(self, course: Course, call: Call) -> Outcome:
        """Serve the one call of a run that has no script to its end, and write down how it ended."""
        outcome: Outcome | None = None
        try:
            outcome = await course.road.travel(call, rendered=True)
        finally:
            with anyio.CancelScope(shield=True):
                await _end_call(course, outcome)
        return outcome

    def _start(self, script: Script, scope: RunScope) -> Start:
        return Start(
            source=script.parsed.source, last_expression=script.last_expression,
            prepared=self._cache.blanked(script.parsed.script_hash, last_expression=script.last_expression),
            facade=scope.facade, params=script.params, context=script.context,
            store=script.store, seed=script.seed, time_ms=script.time_ms,
            task_prefix=script.task_prefix, limits=scope.limits,
        )  # fmt: skip

    async def _closed(self, course: Course, ending: Ending) -> Ending:
        try:
            return await self._close(course, ending)
        except Exception as error:
            return _unwritten(course, unexpected(error, "the end of the run"))

    async def _close(self, course: Course, ending: Ending) -> Ending:
        """Commit the store, write the last record, report the output; the run's result goes on after that."""
        scope = course.scope
        if course.suspended is not None:
            course.close_journal()
            return ending
        course.console.close()
        if ending.status is not RunStatus.ABORTED:
            ending = self._commit(course, ending)
        error = ending.error.to_json() if ending.error else None
        course.write_down()
        scope.journal.write(
            RunEndRecord(
                status=ending.status.value,
                result=ending.result,
                error=error,
                store=course.store if ending.status is not RunStatus.ABORTED else {},
                warnings=tuple(course.warnings),
                time_ms=_now(),
                changed=course.road.changed,
            )
        )
        if course.lasting:
            await scope.journal.sync()
        course.close_journal()
        scope.emitter.emit(
            ScriptExecutionOutput, status=ending.status, script_hash=scope.script_hash, error=error,
            warnings=tuple(course.warnings), durations=course.durations(), **_result(ending, scope),
        )  # fmt: skip
        return ending

    def _commit(self, course: Course, ending: Ending) -> Ending:
        try:
            self._store.commit(course.store, course.scope.limits.store_bytes)
        except StoreTooLarge as error:
            course.store.clear()
            return Ending(status=RunStatus.FAILED, error=error)
        return ending


def _stopped() -> Ending:
    return Ending(status=RunStatus.ABORTED, error=RunAborted("the run was stopped"))


def _result(ending: Ending, scope: RunScope) -> dict[str, Json]:
    """Return what is told of a result: the value, or what stands for it. The journal has the value in any case."""
    if ending.result is None:
        return {}
    value, most = loads(ending.result), scope.inline_result_bytes
    if most is None or len(ending.result) <= most // 4 or len(ending.result.encode("utf-8", "replace")) <= most:
        return {"result": value}
    stands = reference(value, scope.world.outputs.keep)
    return {"result": stands, "result_handle": stands["handle"]}


@Latest
def _limits(limits: Limits) -> dict[str, float]:
    return limits.to_json()


@Latest
def _recorded(facade: tuple[FacadeEntry, ...]) -> tuple[tuple[str, tuple[str, ...], bool], ...]:
    return tuple((".".join(e.path), e.positional, e.flat) for e in facade)


def run_record(script: Script, scope: RunScope) -> RunRecord:
    """Return the record of all inputs of a run."""
    return RunRecord(
        run_id=scope.run_id,
        source=script.parsed.source,
        script_hash=scope.script_hash,
        origin=script.origin,
        last_expression=script.last_expression,
        params=script.params,
        context=script.context,
        store=script.store,
        seed=script.seed,
        time_ms=script.time_ms,
        limits=_limits(scope.limits),
        allowed_tools=tuple(scope.tools),
        workspace=str(scope.world.cwd),
        policy=scope.policy.value,
        digests=scope.digests,
        bound=scope.plan is not None,
        plan=None if scope.plan is None else scope.plan.to_json(),
        conversation_id=scope.conversation_id or None,
        turn_id=scope.turn_id,
        step=scope.emitter.ids.get("step"),
        parent=scope.emitter.ids.get("parent"),
        task_prefix=script.task_prefix,
        facade=_recorded(scope.facade),
    )


def _now() -> int:
    return int(time.time() * 1000)


async def _end_call(course: Course, outcome: Outcome | None) -> None:
    """Write down how a structured call ended, with the changes that an undo needs; None: it was cancelled."""
    journal, ok, now = course.scope.journal, outcome is not None and outcome.ok, _now()
    if outcome is not None:
        journal.write(
            EndRecord(
                number=1, ok=ok, value=outcome.value or json.dumps(outcome.text), time_ms=now, status=outcome.status,
                changes=outcome.changes,
            )
        )  # fmt: skip
    status: Literal["completed", "failed", "aborted"] = (
        "aborted" if outcome is None else "completed" if ok else "failed"
    )
    journal.write(
        RunEndRecord(
            status=status, result=None, error=error_of(outcome), time_ms=now, changed=course.road.changed,
        )
    )  # fmt: skip
    if course.road.had_effect:
        await journal.sync()
    journal.close()


def _unwritten(course: Course, error: ToolscriptError) -> Ending:
    """Report a run whose end could not be written down: it failed, whatever its script came to."""
    scope = course.scope
    with suppress(Exception):
        course.close_journal()
    scope.emitter.emit(
        ScriptExecutionOutput, status=RunStatus.FAILED, script_hash=scope.script_hash, error=error.to_json(),
        warnings=tuple(course.warnings), durations=course.durations(),
    )  # fmt: skip
    return Ending(status=RunStatus.FAILED, error=error)


def error_of(outcome: Outcome | None) -> dict[str, Json] | None:
    """Return how a structured call failed. One whose tool resolved with a failure (a non-zero exit) has no error."""
    if outcome is None or outcome.ok or not outcome.value:
        return None
    error: dict[str, Json] = json.loads(outcome.value)
    return error


def announce(script: Script, scope: RunScope) -> None:
    """Tell that a script begins."""
    scope.emitter.emit(
        ScriptExecution, source=script.parsed.source, script_hash=scope.script_hash, origin=script.origin,
        mode=script.mode, allowed_tools=tuple(scope.tools),
    )  # fmt: skip
