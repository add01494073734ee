"""Decides what the journal of a conversation gives back: its turns, and the one that its host's death cut short."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from toolscript.agent.conversation import Conversation, PastTurn, TurnStatus
from toolscript.agent.diary import ITEMS
from toolscript.agent.step import Call, Step
from toolscript.errors import Json, StillInterrupted
from toolscript.journal.conversation import (
    ConversationRecord,
    ReplyRecord,
    StepRecord,
    TalkRecord,
    TurnEndRecord,
    TurnRecord,
)
from toolscript.language.detector import Detector, FormatProblem, Prose, ScriptFound
from toolscript.models.adapter import FunctionCallDone, Item, Reason, UsageReport

_REASON: TypeAdapter[Reason] = TypeAdapter(Reason)


@dataclass(slots=True)
class Unfinished:
    """A turn as far as it was written down; ``reply`` are the records of the step that was under way."""

    asked: TurnRecord
    items: tuple[Item, ...] = ()
    usage: list[UsageReport] = field(default_factory=list)
    """Of each step that is whole, in order."""
    reply: list[ReplyRecord] = field(default_factory=list)
    status: TurnStatus | None = None

    @property
    def turn_id(self) -> str:
        """Which turn it is."""
        return self.asked.turn_id

    def past(self) -> PastTurn:
        """Return the turn for a conversation; one without an end was aborted."""
        a = self.asked
        return PastTurn(
            turn_id=a.turn_id, prompt=a.prompt, agent=a.agent, images=a.images, notes=a.notes, items=self.items,
            status=self.status or "aborted",
        )  # fmt: skip

    def step(self) -> Step | None:
        """Return the step that was under way, its scripts found again; None if its reply had not come to any."""
        text = "".join(record.text for record in self.reply)
        if not self.reply:
            return None
        step, last = Step(self.turn_id, len(self.usage) + 1, written=[text]), self.reply[-1]
        _read_again(step)
        if last.ended:
            step.reason, step.native = _REASON.validate_python(last.reason or "stop"), last.native
            step.calls = [Call(_asked(call)) for call in last.calls]
        return step


@dataclass(frozen=True, slots=True)
class Revived:
    """What a journal held. ``unfinished`` is the last turn, if it has no end."""

    begun: ConversationRecord
    conversation: Conversation
    unfinished: Unfinished | None


def to_go_on(records: Iterable[TalkRecord], name: str, workspace: Path) -> tuple[Conversation, Unfinished, Step | None]:
    """Return a conversation, its turn that was cut short, and the step that was under way.

    Raises StillInterrupted where no turn was cut short, where the journal is of another workspace, and for values
    that no turn has: nothing is done because of a journal that was brought here, or changed by hand.
    """
    try:
        found = revived(records)
        step = None if found.unfinished is None else found.unfinished.step()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        why = str(error).partition("\n")[0][:200]
        raise StillInterrupted(f"the journal of {name} is damaged: {why}", code="not_resumable") from None
    if found.unfinished is None:
        raise StillInterrupted(f"no turn of {name} was cut short", code="not_resumable")
    if found.begun.workspace != str(workspace):
        raise StillInterrupted(f"{name} worked in {found.begun.workspace}, not in {workspace}", code="not_resumable")
    return found.conversation, found.unfinished, step


def revived(records: Iterable[TalkRecord]) -> Revived:
    """Return the conversation on its last branch, without the turn that was cut short."""
    turns: dict[str, Unfinished] = {}
    begun = ConversationRecord(conversation_id="", workspace="")
    for record in records:
        match record:
            case ConversationRecord():
                begun = record
            case TurnRecord():
                turns[record.turn_id] = Unfinished(record)
            case _ if record.turn_id in turns:
                _applied(turns[record.turn_id], record)
    conversation = Conversation(begun.conversation_id)
    last = next(reversed(turns.values()), None)
    if last is None:
        return Revived(begun, conversation, None)
    for turn_id in last.asked.before:
        if turn_id in turns:
            conversation.append(turns[turn_id].past())
    if last.status is not None:
        conversation.append(last.past())
        return Revived(begun, conversation, None)
    return Revived(begun, conversation, last)


def _applied(turn: Unfinished, record: ReplyRecord | StepRecord | TurnEndRecord) -> None:
    match record:
        case ReplyRecord():
            if turn.reply and turn.reply[-1].step != record.step:
                turn.reply.clear()
            turn.reply.append(record)
        case StepRecord():
            turn.items += ITEMS.validate_python(list(record.items))
            turn.usage.append(UsageReport(**record.usage))
            turn.reply.clear()
        case TurnEndRecord():
            turn.status = record.status


def _read_again(step: Step) -> None:
    detector = Detector()
    for piece in (*detector.feed(step.text), *detector.finish()):
        match piece:
            case ScriptFound():
                step.found(piece.source, piece.offset + len(piece.source) + len(f"</{piece.tag}>"))
            case Prose():
                step.prose.append(piece.text)
            case FormatProblem():
                step.problems.append(piece.error)


def _asked(call: dict[str, Json]) -> FunctionCallDone:
    return FunctionCallDone(call_id=call["call_id"], name=call["name"], arguments=call["arguments"])
