"""Decides whether a script does what its record says: every act is compared, and the first difference stops it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from toolscript.errors import HostError, Json, LimitExceeded, RunAborted, ToolscriptError, revive
from toolscript.facade.ending import told
from toolscript.journal.records import CallRecord, LogRecord, TimerRecord
from toolscript.journal.redact import OPEN
from toolscript.recovery.tape import Act, Tape
from toolscript.runtime.session import (
    Batch,
    Call,
    Done,
    Failed,
    Log,
    Message,
    Session,
    Settlement,
    StoreChange,
    Timer,
)

HOST_ENDED = frozenset({"deadlock", "denied_and_stopped"})
"""Endings that the host, not the guest, decided; with limits, faults and aborts these replay to the last record."""


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


class Diverged(Exception):
    """The script did something else than its record says."""

    def __init__(self, divergence: Divergence) -> None:
        super().__init__(str(divergence))
        self.divergence = divergence


class Follower:
    """Feeds one tape to one session and compares all the guest does with what it did.

    ``hear`` is called with each message, and whether the record has it: an interrupted run may go on beyond it.
    """

    def __init__(self, tape: Tape, hear: Callable[[Message, bool], None] | None = None) -> None:
        self._tape = tape
        self._hear = hear
        self._left: deque[Act] = deque(tape.acts)
        self._open: set[int] = set()
        self.logs: list[LogRecord] = []
        self.store: dict[str, str | None] = {}

    async def run(self, session: Session) -> Done | Failed | None:
        """Feed the tape; returns how the script ended, None if the tape ends before it. Raises Diverged."""
        try:
            ended = self._take([await session.start(self._tape.start())])
            for settlement in self._tape.settlements:
                if ended is not None:
                    break
                self._check_open(settlement)
                ended = self._take(await session.settle([settlement]))
        except LimitExceeded as error:
            return Failed(error=error)
        return ended

    @property
    def missing(self) -> Act | None:
        """The first act of the record that the script has not done (yet)."""
        return self._left[0] if self._left else None

    @property
    def host_ended(self) -> bool:
        """Whether the recorded run was ended by the host or a limit: it replays to its last record."""
        error = self._tape.end.error if self._tape.end else None
        if error is None:
            return False
        return error.get("code") in HOST_ENDED or isinstance(revive(error), HostError | LimitExceeded | RunAborted)

    def _check_open(self, settlement: Settlement) -> None:
        """A settlement of what the script never asked for would be lost on it: that is where the two part."""
        if settlement.number not in self._open:
            expected = shown(self._left[0]) if self._left else f"#{settlement.number}, which was settled next"
            raise Diverged(Divergence(expected=expected, got="the script still waits"))
        self._open.discard(settlement.number)

    def _take(self, batches: Iterable[Batch]) -> Done | Failed | None:
        ended = None
        for batch in batches:
            for message in batch.messages:
                recorded = self._follow(message)
                if self._hear is not None:
                    self._hear(message, recorded)
            ended = batch.ended or ended
        return ended

    def _follow(self, message: Message) -> bool:
        match message:
            case Call():
                self._open.add(message.number)
                act = CallRecord(
                    number=message.number, tool=message.tool, arguments=message.arguments, spawn=message.spawn
                )
                return self._compare(act)
            case Timer():
                self._open.add(message.number)
                return self._compare(TimerRecord(number=message.number, due=0))
            case Log():
                line = LogRecord(level=message.level, text=message.text)
                self.logs.append(line)
                return self._compare(line)
            case StoreChange():
                self.store[message.key] = message.value
            case _:
                pass
        return True

    def _compare(self, act: Act) -> bool:
        recorded = self._left.popleft() if self._left else None
        if recorded is None:
            if self._tape.end is None or self.host_ended:
                return False
            raise Diverged(Divergence(expected="nothing more", got=shown(act), nearest=self._nearest(act)))
        if shown(recorded) != shown(act):
            raise Diverged(Divergence(expected=shown(recorded), got=shown(act), nearest=self._nearest(act)))
        return True

    def _nearest(self, act: Act) -> str:
        """Return the recorded call that is most like an act: the same tool, as near as there is one."""
        calls = [c for c in self._tape.acts if isinstance(c, CallRecord)]
        if not isinstance(act, CallRecord) or not calls:
            return ""
        near = min(calls, key=lambda c: (c.tool != act.tool, c.arguments != act.arguments, abs(c.number - act.number)))
        place = f" at line {near.line}" if near.line else ""
        return shown(near) + place


def shown(act: Act) -> str:
    """Return an act as it is compared and shown."""
    match act:
        case CallRecord():
            kind = "spawn" if act.spawn else "call"
            return f"{kind} #{act.number} {act.tool}({act.arguments})"
        case TimerRecord():
            return f"timer #{act.number}"
        case LogRecord():
            return f"console.{act.level}: {act.text}"


def ending_text(ended: Done | Failed | None) -> str:
    """Return how a script ended as it is shown."""
    match ended:
        case Done():
            return f"completed: {ended.result}"
        case Failed():
            return f"failed: {json.dumps(told(ended.error).to_json())}"
        case None:
            return "the script still waits"


def reasons(tape: Tape, digests: dict[str, str]) -> tuple[str, ...]:
    """Return why a divergence may be no fault of the script: another engine, facade or tool schema, or redaction."""
    others = tuple(f"the recording was made with another {name}" for name in differing(tape, digests))
    if any(OPEN in text for text in _texts(tape)):
        others += ("secrets were redacted in the recording, and the script sees their names instead",)
    return others


def differing(tape: Tape, digests: dict[str, str]) -> tuple[str, ...]:
    """Return what this installation has otherwise than the one that made the recording."""
    return tuple(name for name, digest in tape.run.digests.items() if name in digests and digests[name] != digest)


def _texts(tape: Tape) -> Iterable[str]:
    yield from (tape.run.source, tape.run.params, tape.run.context, tape.run.store)
    yield from (s.value for s in tape.settlements)


def essence(error: dict[str, Json] | ToolscriptError) -> tuple[Json, ...]:
    """Return what two errors that are the same have in common."""
    data = told(error).to_json() if isinstance(error, ToolscriptError) else error
    return tuple(data.get(name) for name in ("name", "code", "message", "line", "column"))
