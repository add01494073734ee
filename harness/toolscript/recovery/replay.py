"""Decides whether a recorded run replays: the tape is fed again, and all the guest does must be what it did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from toolscript.errors import Json, ToolError, WorkerCrashed
from toolscript.journal.records import LogRecord
from toolscript.recovery.follow import Diverged, Divergence, Follower, ending_text, essence, reasons, shown
from toolscript.recovery.tape import Tape, bearable
from toolscript.runtime.session import Done, Failed, Sessions

WORKERS = 3
"""How many workers a replay may lose before it is given up."""
NO_SCRIPT = {"call": "a structured call", "undo": "an undo"}
"""What runs are that nobody wrote a script for, by their origin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay came to. ``partial``: the recorded run was ended from outside, and replays up to there."""

    outcome: Literal["same", "partial", "diverged"]
    result: Json = None
    error: dict[str, Json] | None = None
    logs: tuple[LogRecord, ...] = ()
    divergence: Divergence | None = None


async def replay(tape: Tape, sessions: Sessions, *, digests: Mapping[str, str] | None = None) -> Replayed:
    """Run the recorded script again, touching no tool, and say whether it did the same.

    ``digests`` are those of this installation; where they differ from the record's, a divergence says so. A worker
    that is lost on the way costs nothing: the tape is fed to another. Raises ToolError ``not_replayable`` for a run
    without a script, and WorkerCrashed where one worker after the other is lost.
    """
    if tape.run.origin in NO_SCRIPT:
        raise ToolError(f"{tape.run.run_id} is {NO_SCRIPT[tape.run.origin]}: there is no script", code="not_replayable")
    tape = bearable(tape)
    for _ in range(WORKERS - 1):
        with suppress(WorkerCrashed):
            return await _once(tape, sessions, digests or {})
    return await _once(tape, sessions, digests or {})


async def _once(tape: Tape, sessions: Sessions, digests: Mapping[str, str]) -> Replayed:
    follower = Follower(tape)
    try:
        async with sessions.checkout() as session:
            ended = await follower.run(session)
        return _compared(tape, follower, ended)
    except Diverged as caught:
        divergence = replace(caught.divergence, reasons=reasons(tape, dict(digests)))
        return Replayed(outcome="diverged", logs=tuple(follower.logs), divergence=divergence)


def _compared(tape: Tape, follower: Follower, ended: Done | Failed | None) -> Replayed:
    """Return the verdict once the tape is at its end. Raises Diverged when the ending is another one."""
    end, logs = tape.end, tuple(follower.logs)
    if follower.missing is not None:
        raise Diverged(Divergence(expected=shown(follower.missing), got=ending_text(ended)))
    if end is None or follower.host_ended:
        return Replayed(outcome="partial", logs=logs, error=end.error if end else None)
    recorded = f"{end.status}: {end.result if end.status == 'completed' else json.dumps(end.error)}"
    if ended is None or not _same(ended, end.result, end.error):
        raise Diverged(Divergence(expected=recorded, got=ending_text(ended)))
    if follower.store != end.store:
        changes = (f"store changes {json.dumps(store, sort_keys=True)}" for store in (end.store, follower.store))
        raise Diverged(Divergence(expected=next(changes), got=next(changes)))
    if isinstance(ended, Done):
        return Replayed(outcome="same", result=json.loads(ended.result), logs=logs)
    return Replayed(outcome="same", error=end.error, logs=logs)


def _same(ended: Done | Failed, result: str | None, error: dict[str, Json] | None) -> bool:
    if isinstance(ended, Done):
        return error is None and ended.result == result
    return error is not None and essence(ended.error) == essence(error)
