"""Decides at which moments of a turn something is written down: always before what it leads to begins."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict

from pydantic import TypeAdapter

from toolscript.agent.conversation import Conversation, PastTurn, TurnStatus
from toolscript.agent.step import Script, Step
from toolscript.agent.terms import TurnSettings
from toolscript.errors import Json
from toolscript.journal.conversation import ReplyRecord, StepRecord, TalkRecord, TurnEndRecord, TurnRecord
from toolscript.models.adapter import Item

Write = Callable[[TalkRecord], None]
"""Appends a record to the conversation's journal. Raises JournalError."""

ITEMS: TypeAdapter[tuple[Item, ...]] = TypeAdapter(tuple[Item, ...])
"""Items of a history as JSON data and back."""


def unwritten(record: TalkRecord) -> None:
    """Write nothing down: for conversations that leave no trace."""


class Diary:
    """Writes one turn down as it goes on."""

    def __init__(self, write: Write, turn_id: str) -> None:
        self._write = write
        self._turn_id = turn_id
        self._step = 0
        self._written = 0

    def began(self, past: PastTurn, settings: TurnSettings, conversation: Conversation) -> None:
        """A prompt was taken on."""
        self._write(
            TurnRecord(
                turn_id=past.turn_id, prompt=past.prompt, agent=past.agent, model=settings.model, mode=settings.mode,
                images=past.images, notes=past.notes, before=tuple(turn.turn_id for turn in conversation.turns),
                time_ms=_now(),
            )
        )  # fmt: skip

    def script(self, step: Step, script: Script) -> None:
        """A script is about to start: the reply up to its closing tag is written first."""
        self._reply(step, script.end)

    def reply(self, step: Step) -> None:
        """A reply has ended: its rest is written before its calls are served."""
        self._reply(step, len(step.text), ended=True)

    def kept(self, step: Step, items: tuple[Item, ...]) -> None:
        """A step was folded into the history."""
        self._write(
            StepRecord(
                turn_id=self._turn_id, step=step.number, items=tuple(ITEMS.dump_python(items, mode="json")),
                runs=tuple(script.run.run_id for script in step.scripts if script.run), usage=asdict(step.usage),
            )
        )  # fmt: skip

    def ended(self, status: TurnStatus, reason: str, text: str, error: dict[str, Json] | None) -> None:
        """The turn has ended."""
        self._write(
            TurnEndRecord(
                turn_id=self._turn_id, status=status, reason=reason, text=text, error=error, time_ms=_now(),
            )
        )  # fmt: skip

    def _reply(self, step: Step, upto: int, *, ended: bool = False) -> None:
        begin = self._written if self._step == step.number else 0
        self._step, self._written = step.number, upto
        calls = tuple(asdict(call.asked) for call in step.calls) if ended else ()
        self._write(
            ReplyRecord(
                turn_id=self._turn_id, step=step.number, text=step.text[begin:upto], ended=ended, calls=calls,
                reason=step.reason or "" if ended else "",
                native=step.native if ended else (),
            )
        )  # fmt: skip


def _now() -> int:
    return int(time.time() * 1000)
