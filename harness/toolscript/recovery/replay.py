"""Decides whether a recorded run replays: the tape is fed again, and all the guest does must be what it did."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from toolscript.errors import HostError, Json, LimitExceeded, RunAborted, ToolscriptError, revive
from toolscript.facade.ending import told
from toolscript.journal.records import CallRecord, LogRecord, TimerRecord
from toolscript.recovery.tape import Act, Tape
from toolscript.runtime.session import Batch, Call, Done, Failed, Log, Message, Session, Sessions, Timer

HOST_ENDED = frozenset(
    {"deadlock", "denial_limit", "wall_time_limit", "timer_limit", "guest_time_limit", "store_limit"}
)
"""Endings that the host, not the guest, decided, or a clock: such a run replays to its last record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first difference: what the record has, what the replay did, and the recorded call nearest to it."""

    expected: str
    got: str
    nearest: str = ""
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"expected: {self.expected}", f"got:      {self.got}"]
        if self.nearest:
            lines.append(f"nearest recorded call: {self.nearest}")
        return "\n".join([*lines, *(f"note: {reason}" for reason in self.reasons)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay came to. ``partial``: the recorded run was ended from outside, and replays up to there."""

    outcome: Literal["same", "partial", "diverged"]
    result: Json = None
    error: dict[str, Json] | None = None
    logs: tuple[LogRecord, ...] = ()
    divergence: Divergence | None = None


class _Diverged(Exception):
    def __init__(self, divergence: Divergence) -> None:
        self.divergence = divergence


async def replay(tape: Tape, sessions: Sessions, *, digests: dict[str, str] | None = None) -> Replayed:
    """Run the recorded script again, touching no tool, and say whether it did the same.

    ``digests`` are those of this installation; where they differ from the record's, a divergence says so.
    """
    follower = _Follower(tape)
    try:
        async with sessions.checkout() as session:
            ended = await follower.run(session)
        return follower.compared(ended)
    except _Diverged as caught:
        divergence = Divergence(
            expected=caught.divergence.expected, got=caught.divergence.got, nearest=caught.divergence.nearest,
            reasons=_reasons(tape, digests or {}),
        )  # fmt: skip
        return Replayed(outcome="diverged", logs=tuple(follower.logs), divergence=divergence)


class _Follower:
    """Compares what the guest does with what it did, one act after the other."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._left: deque[Act] = deque(tape.acts)
        self.logs: list[LogRecord] = []

    async def run(self, session: Session) -> Done | Failed | None:
        """Feed the tape; returns how the script ended, None if the tape ends before it."""
        try:
            ended = self._take([await session.start(self._tape.start())])
            for settlement in self._tape.settlements:
                if ended is not None:
                    break
                ended = self._take(await session.settle([settlement]))
        except LimitExceeded as error:
            return Failed(error=error)
        return ended

    def _take(self, batches: Iterable[Batch]) -> Done | Failed | None:
        ended = None
        for batch in batches:
            for message in batch.messages:
                self._follow(message)
            ended = batch.ended or ended
        return ended

    def _follow(self, message: Message) -> None:
        match message:
            case Call():
                act = CallRecord(
                    number=message.number, tool=message.tool, arguments=message.arguments, spawn=message.spawn
                )
                self._compare(_call(act), act)
            case Timer():
                self._compare(f"timer #{message.number}", TimerRecord(number=message.number, due=0))
            case Log():
                line = LogRecord(level=message.level, text=message.text)
                self.logs.append(line)
                self._compare(_shown(line), line)
            case _:
                pass

    def _compare(self, got: str, act: Act) -> None:
        recorded = self._left.popleft() if self._left else None
        if recorded is None:
            if self._tape.end is None or self._host_ended:
                return
            raise _Diverged(Divergence(expected="nothing more", got=got, nearest=self._nearest(act)))
        if _shown(recorded) != got:
            raise _Diverged(Divergence(expected=_shown(recorded), got=got, nearest=self._nearest(act)))

    @property
    def _host_ended(self) -> bool:
        error = self._tape.end.error if self._tape.end else None
        if error is None:
            return False
        return error.get("code") in HOST_ENDED or isinstance(revive(error), HostError | RunAborted)

    def _nearest(self, act: Act) -> str:
        if not isinstance(act, CallRecord):
            return ""
        same = [c for c in self._tape.acts if isinstance(c, CallRecord) and c.tool == act.tool]
        return _call(min(same, key=lambda c: abs(c.number - act.number))) if same else ""

    def compared(self, ended: Done | Failed | None) -> Replayed:
        """Return the verdict once the tape is at its end. Raises when the ending is another one."""
        end = self._tape.end
        if end is None or self._host_ended:
            return Replayed(outcome="partial", logs=tuple(self.logs), error=end.error if end else None)
        if self._left:
            raise _Diverged(Divergence(expected=_shown(self._left[0]), got=_ending(ended)))
        if isinstance(ended, Done) and end.status == "completed" and ended.result == end.result:
            return Replayed(outcome="same", result=json.loads(ended.result), logs=tuple(self.logs))
        if isinstance(ended, Failed) and _essence(told(ended.error).to_json()) == _essence(end.error or {}):
            return Replayed(outcome="same", error=end.error, logs=tuple(self.logs))
        recorded = end.result if end.status == "completed" else json.dumps(end.error)
        raise _Diverged(Divergence(expected=f"{end.status}: {recorded}", got=_ending(ended)))


def _essence(error: dict[str, Json]) -> tuple[Json, ...]:
    return tuple(error.get(name) for name in ("name", "code", "message", "line", "column"))


def _call(record: CallRecord) -> str:
    kind = "spawn" if record.spawn else "call"
    return f"{kind} #{record.number} {record.tool}({record.arguments})"


def _shown(act: Act) -> str:
    match act:
        case CallRecord():
            return _call(act)
        case TimerRecord():
            return f"timer #{act.number}"
        case LogRecord():
            return f"console.{act.level}: {act.text}"


def _ending(ended: Done | Failed | None) -> str:
    match ended:
        case Done():
            return f"completed: {ended.result}"
        case Failed():
            return f"failed: {_told(ended.error)}"
        case None:
            return "the script still waits"


def _told(error: ToolscriptError) -> str:
    return json.dumps(told(error).to_json())


def _reasons(tape: Tape, digests: dict[str, str]) -> tuple[str, ...]:
    """Return why a divergence may be no fault of the script: another engine, facade or tool schema."""
    return tuple(
        f"the recording was made with another {name}"
        for name, digest in tape.run.digests.items()
        if name in digests and digests[name] != digest
    )
