"""Decides how a structured call whose host died comes to its end: treated as a script's call is, without a script."""

from __future__ import annotations

import json

from toolscript.errors import Json, RunAborted, ToolscriptError
from toolscript.events import RunStatus, ScriptExecutionOutput
from toolscript.facade.scope import RunScope
from toolscript.journal.records import EndRecord, RunEndRecord
from toolscript.recovery.resume import Interrupted, ResumedCourse, as_call
from toolscript.recovery.unknown import check_given
from toolscript.runner import Runner, error_of


async def finish(interrupted: Interrupted, runner: Runner) -> None:
    """Bring the call to its end and tell of it; the result is the text that a model would have been given.

    Raises StillInterrupted, the journal closed, when somebody must say what became of it, and nobody can.
    """
    past, scope = interrupted.past, interrupted.scope
    if not past.open:
        try:
            check_given(interrupted.given, ())
        except ToolscriptError:
            scope.journal.close()
            raise
        await _conclude(interrupted)
        return
    course = ResumedCourse(interrupted, runner.board)
    (opened,) = past.open.values()
    call = course.calls[opened.record.number] = as_call(opened)
    try:
        await course.treat()
    except ToolscriptError:
        scope.journal.close()
        raise
    outcome = await runner.finish_call(course, call)
    status = RunStatus.COMPLETED if outcome.ok else RunStatus.FAILED
    error = error_of(outcome)
    _tell(scope, result=outcome.text if error is None else None, error=error, status=status)


async def _conclude(interrupted: Interrupted) -> None:
    """End a run whose call had ended, or had not even been written down: nothing is left to do."""
    past, scope = interrupted.past, interrupted.scope
    ended = next(iter(past.ended.values()), None)
    error: dict[str, Json] | None = RunAborted("the host died before the call began").to_json()
    if ended is not None:
        error = None if ended.ok else _error(ended)
    status = RunStatus.ABORTED if ended is None else RunStatus.COMPLETED if ended.ok else RunStatus.FAILED
    time_ms = past.tape.run.time_ms if ended is None else ended.time_ms
    changed = ended is not None and bool(ended.changes)
    scope.journal.write(RunEndRecord(status=status.value, result=None, error=error, time_ms=time_ms, changed=changed))
    await scope.journal.sync()
    scope.journal.close()
    _tell(scope, result=None, error=error, status=status)


def _error(ended: EndRecord) -> dict[str, Json] | None:
    """Return how an ended call failed; one whose tool resolved with a failure (a non-zero exit) left a text."""
    value: Json = json.loads(ended.value)
    return value if isinstance(value, dict) else None


def _tell(scope: RunScope, *, result: Json, error: dict[str, Json] | None, status: RunStatus) -> None:
    scope.emitter.emit(
        ScriptExecutionOutput, status=status, script_hash=scope.script_hash, result=result, error=error
    )  # fmt: skip
