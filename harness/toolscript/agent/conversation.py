"""Decides what of earlier turns a model is sent, and what a rewind takes back: items, turns and branches."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import pydantic

from toolscript import misfits
from toolscript.agent.prompt import note
from toolscript.errors import Json, ToolscriptError
from toolscript.models.adapter import Item, UserMessage

TurnStatus = Literal["completed", "failed", "aborted", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTurn:
    """One turn that has ended, with all that was said in it; ``agent`` is who answered."""

    turn_id: str
    prompt: str
    agent: str = ""
    images: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    status: TurnStatus = "completed"

    def opening(self) -> UserMessage:
        """Return the message that the turn begins with: what the harness noted before it, then the prompt."""
        return UserMessage(text="\n\n".join([*map(note, self.notes), self.prompt]), images=self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Turns that a rewind took off the conversation; kept, never sent."""

    after: str | None
    """The turn behind which the branch began; None: at the very beginning."""
    turns: tuple[PastTurn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A conversation as data; ``Conversation.restored`` makes it again."""

    conversation_id: str
    turns: tuple[PastTurn, ...] = ()
    branches: tuple[Branch, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)
    shortened: dict[str, PastTurn] = field(default_factory=dict)


_SNAPSHOTS: pydantic.TypeAdapter[Snapshot] = pydantic.TypeAdapter(Snapshot)


class Conversation:
    """The turns of one agent on their current branch, and the branches that were left."""

    def __init__(self, conversation_id: str | None = None) -> None:
        self.conversation_id = conversation_id or f"conv-{uuid.uuid4().hex[:12]}"
        self._turns: tuple[PastTurn, ...] = ()
        self._branches: tuple[Branch, ...] = ()
        self._notes: dict[str, str] = {}
        self._shortened: dict[str, PastTurn] = {}
        """Turns as they are sent since a compaction; the turns themselves stay whole."""

    @property
    def turns(self) -> tuple[PastTurn, ...]:
        """The turns of the current branch, oldest first."""
        return self._turns

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches that rewinds left behind, oldest first."""
        return self._branches

    def note(self, text: str, *, key: str = "") -> None:
        """Tell the model something with the next turn; a later note of the same key takes the place of an earlier."""
        self._notes[key or f"note-{len(self._notes)}"] = text

    def take_notes(self) -> tuple[str, ...]:
        """Return the notes that wait, and forget them: they belong to the turn that begins now."""
        notes, self._notes = tuple(self._notes.values()), {}
        return notes

    def append(self, turn: PastTurn) -> None:
        """Add a turn that has ended."""
        self._turns = (*self._turns, turn)

    def shorten(self, turns: Iterable[PastTurn]) -> None:
        """Send these shorter forms in place of the turns of their ids from now on."""
        self._shortened |= {turn.turn_id: turn for turn in turns}

    @property
    def sent(self) -> tuple[PastTurn, ...]:
        """The turns of the current branch as a model is sent them."""
        return tuple(self._shortened.get(turn.turn_id, turn) for turn in self._turns)

    def history(self) -> tuple[Item, ...]:
        """Return what was said so far, in order."""
        return tuple(item for turn in self.sent for item in (turn.opening(), *turn.items))

    def rewind(self, turn_id: str) -> tuple[PastTurn, ...]:
        """Go back to before this turn and return the turns that were dropped; they are kept as a branch.

        Raises ToolscriptError when the turn is not on the current branch.
        """
        place = self._place(turn_id)
        kept, dropped = self._turns[:place], self._turns[place:]
        self._branches = (*self._branches, Branch(after=kept[-1].turn_id if kept else None, turns=dropped))
        self._turns = kept
        return dropped

    def drop(self, turn_ids: Iterable[str]) -> tuple[PastTurn, ...]:
        """Take single turns off the current branch and return them; those after them stay.

        Raises ToolscriptError, changing nothing, when one of them is not on it.
        """
        places = {self._place(turn_id) for turn_id in turn_ids}
        dropped = tuple(self._turns[place] for place in sorted(places))
        befores = [self._turns[place - 1].turn_id if place else None for place in sorted(places)]
        left = (Branch(after=before, turns=(turn,)) for before, turn in zip(befores, dropped, strict=True))
        self._branches = (*self._branches, *left)
        self._turns = tuple(turn for place, turn in enumerate(self._turns) if place not in places)
        return dropped

    def snapshot(self) -> Json:
        """Return the conversation as JSON data."""
        snapshot = Snapshot(
            conversation_id=self.conversation_id, turns=self._turns, branches=self._branches, notes=dict(self._notes),
            shortened=dict(self._shortened),
        )  # fmt: skip
        return _SNAPSHOTS.dump_python(snapshot, mode="json")

    @classmethod
    def restored(cls, data: Json) -> Conversation:
        """Return the conversation that a snapshot holds. Raises ToolscriptError for anything else."""
        try:
            snapshot = _SNAPSHOTS.validate_python(data)
        except pydantic.ValidationError as error:
            raise ToolscriptError(f"this is no snapshot of a conversation: {misfits.told(error, most=1)}") from None
        conversation = cls(snapshot.conversation_id)
        conversation._turns, conversation._branches = snapshot.turns, snapshot.branches
        conversation._notes, conversation._shortened = dict(snapshot.notes), dict(snapshot.shortened)
        return conversation

    def _place(self, turn_id: str) -> int:
        for place, turn in enumerate(self._turns):
            if turn.turn_id == turn_id:
                return place
        raise ToolscriptError(f"the turn {turn_id} is not on the current branch of this conversation")
