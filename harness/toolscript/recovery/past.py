"""Decides what of a journal an interrupted run needs to go on: its tape, its open calls, and what was decided."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from toolscript.approvals.permissions import Permissions
from toolscript.approvals.plan import Terms
from toolscript.approvals.request import Choice, Decision
from toolscript.approvals.wire import request_from_json
from toolscript.errors import JournalDamaged, Json
from toolscript.events import OperationStatus
from toolscript.facade.binding import ROW, row_of
from toolscript.facade.spawn import CALLS
from toolscript.journal.records import (
    OTHER_QUESTIONS,
    AskRecord,
    BeginRecord,
    CallRecord,
    DecisionRecord,
    EndRecord,
    LogRecord,
    OutputRecord,
    Record,
    StartedRecord,
    TimerRecord,
)
from toolscript.recovery.tape import Tape
from toolscript.registry.registry import Registry
from toolscript.texts import loads

NOTHING: dict[str, Json] = {"rows": [], "approved": [], "by": "", "expires": 0}
"""The terms of a plan of which nothing is known: all asks."""
NOT_COUNTED = frozenset({"unknown_tool", "tool_not_allowed", "invalid_arguments"})
"""Errors of calls that the road refused before it counted them."""


@dataclass(slots=True, kw_only=True)
class OpenCall:
    """A call without an end. ``begin``, ``started`` and ``output`` are those of its last attempt."""

    record: CallRecord
    begin: BeginRecord | None = None
    started: StartedRecord | None = None
    attempts: int = 0
    output: dict[str, str] = field(default_factory=dict)
    edited: Json = None
    """The arguments that a person gave it instead of its own."""
    waiting: bool = False
    """Whether it waits for a decision."""

    @property
    def arguments(self) -> Json:
        """The arguments with which it began."""
        return json.loads(self.record.arguments) if self.edited is None else self.edited


@dataclass(slots=True, kw_only=True)
class Past:
    """What had become of a run when its host died."""

    tape: Tape
    story: tuple[LogRecord | EndRecord, ...]
    """Console lines and endings in their order, for whoever watches the run go on."""
    calls: dict[int, CallRecord]
    timers: dict[int, TimerRecord]
    ended: dict[int, EndRecord]
    open: dict[int, OpenCall]
    started: tuple[StartedRecord, ...]
    asks: dict[str, AskRecord]
    decisions: dict[str, Decision]

    @classmethod
    def read(cls, records: Iterable[Record]) -> Past:
        """Return the past that an interrupted run's records tell. Raises JournalDamaged."""
        kept = tuple(_sound(number, record) for number, record in enumerate(records, 1))
        calls = {r.number: r for r in kept if isinstance(r, CallRecord)}
        ended = {r.number: r for r in kept if isinstance(r, EndRecord)}
        asks = {r.approval_id: r for r in kept if isinstance(r, AskRecord)}
        past = cls(
            tape=Tape.read(kept), story=tuple(r for r in kept if isinstance(r, LogRecord | EndRecord)), calls=calls,
            timers={r.number: r for r in kept if isinstance(r, TimerRecord)}, ended=ended, asks=asks,
            open={n: OpenCall(record=r) for n, r in calls.items() if n not in ended},
            started=tuple(r for r in kept if isinstance(r, StartedRecord)), decisions={},
        )  # fmt: skip
        for record in kept:
            past._note(record)
        return past

    def _note(self, record: Record) -> None:
        match record:
            case DecisionRecord() if record.approval_id in self.asks:
                self._note_decision(record, self.open.get(self.asks[record.approval_id].number))
            case AskRecord() if (call := self.open.get(record.number)) is not None:
                call.waiting = True
            case BeginRecord() if (call := self.open.get(record.number)) is not None:
                call.begin, call.started, call.output = record, None, {}
                call.attempts += 1
            case StartedRecord() if (call := self.open.get(record.number)) is not None:
                call.started = record
            case OutputRecord() if (call := self.open.get(record.number)) is not None:
                call.output[record.stream] = call.output.get(record.stream, "") + record.text

    def _note_decision(self, record: DecisionRecord, call: OpenCall | None) -> None:
        decision = Decision(
            choice=Choice(record.decision), by=record.by, reason=record.reason, arguments=record.arguments,
            time=record.time,
        )  # fmt: skip
        if call is not None:
            # A withdrawn request was never answered: its host went down with it.
            call.waiting = decision.choice is Choice.WITHDRAWN
            extra = self.asks[record.approval_id].request.get("extra") or {}
            if decision.choice is Choice.EDIT and not OTHER_QUESTIONS & extra.keys():
                call.edited = decision.arguments
        self.decisions.pop(record.approval_id, None)
        if decision.choice is not Choice.WITHDRAWN:
            self.decisions[record.approval_id] = decision

    def edited(self, number: int) -> Json:
        """Return the arguments that a person gave a call instead of its own; None: it has its own."""
        for approval_id, decision in self.decisions.items():
            ask = self.asks[approval_id]
            of_call = ask.number == number and not OTHER_QUESTIONS & (ask.request.get("extra") or {}).keys()
            if of_call and decision.choice is Choice.EDIT:
                return decision.arguments
        return None

    def memory(self) -> Memory:
        """Return what was decided on open calls, each decision to be used once."""
        kept: dict[tuple[int, str], deque[Decision]] = {}
        for approval_id, decision in self.decisions.items():
            ask = self.asks[approval_id]
            if ask.number in self.open:
                kept.setdefault((ask.number, ask.digest), deque()).append(decision)
        return Memory(kept)

    def allow_again(self, permissions: Permissions, registry: Registry) -> None:
        """Put back what was allowed for the conversation by decisions on calls that have ended."""
        for approval_id, decision in self.decisions.items():
            ask = self.asks[approval_id]
            request = request_from_json(ask.request)
            if decision.choice is Choice.ALLOW_CONVERSATION and ask.number in self.ended and request.tool in registry:
                spec = registry.get(request.tool).spec
                permissions.remember(spec, request.classification, by=decision.by, arguments=request.arguments)

    @property
    def terms(self) -> Terms | None:
        """What the run is bound to if it carries out a plan."""
        run = self.tape.run
        return Terms.from_json(run.plan or NOTHING) if run.bound else None

    @property
    def rows(self) -> dict[int, int]:
        """The rows of its plan that calls have used up, by call."""
        rows: dict[int, int] = {}
        for approval_id, decision in self.decisions.items():
            if decision.choice is Choice.ALLOW and (row := row_of(decision.reason)) is not None:
                rows[self.asks[approval_id].number] = row
        for number, record in self.ended.items():
            if not record.ok and isinstance(row := _details(record).get(ROW), int):
                rows[number] = row
        return rows

    @property
    def denials(self) -> int:
        """How many calls that have ended were denied by a person."""
        denied = (Choice.DENY, Choice.DENY_AND_STOP)
        return sum(d.choice in denied and self.asks[i].number in self.ended for i, d in self.decisions.items())

    @property
    def stopped(self) -> bool:
        """Whether a person denied a call, of this run or of an agent that it asked, and ended the run with it."""
        denied = any(d.choice is Choice.DENY_AND_STOP for d in self.decisions.values())
        return denied or any(_ends_turn(r) for r in self.ended.values() if not r.ok)

    @property
    def counted(self) -> int:
        """How many calls that have ended count for the limit."""
        return sum(self.calls[n].tool not in CALLS and _counts(r) for n, r in self.ended.items() if n in self.calls)


@dataclass(frozen=True, slots=True)
class Memory:
    """Decisions by call and digest."""

    kept: dict[tuple[int, str], deque[Decision]]

    def recall(self, number: int, digest: str) -> Decision | None:
        """Return a decision on exactly this call, and forget it."""
        decisions = self.kept.get((number, digest))
        return decisions.popleft() if decisions else None

    def holds(self, number: int) -> bool:
        """Say whether anything was decided on this call."""
        return any(decisions and key[0] == number for key, decisions in self.kept.items())


def _sound(number: int, record: Record) -> Record:
    """Return a record whose texts are what they have to be. Raises JournalDamaged: a run never goes on half-way."""
    try:
        match record:
            case CallRecord():
                loads(record.arguments)
            case EndRecord():
                OperationStatus(record.status)
                loads(record.value)
            case DecisionRecord():
                Choice(record.decision)
            case _:
                pass
    except ValueError as error:
        raise JournalDamaged("the journal", number, f"{record.kind}: {error}"[:200]) from None
    return record


def _ends_turn(record: EndRecord) -> bool:
    return bool(_details(record).get("ends_turn"))


def _details(record: EndRecord) -> dict[str, Json]:
    error = loads(record.value)
    return (error.get("details") or {}) if isinstance(error, dict) else {}


def _counts(record: EndRecord) -> bool:
    if record.ok:
        return True
    error = loads(record.value)
    return not isinstance(error, dict) or error.get("code") not in NOT_COUNTED
