"""Decides what a cell that runs again takes back: its last turn and all after it; files stay as they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolscript.errors import Json

if TYPE_CHECKING:
    from toolscript.events import BaseEvent
    from toolscript.harness import Harness
    from toolscript.run import Operation, Run

_EFFECTS = frozenset({"write", "execute", "network"})
NOTE_CHARS = 4_000
"""How much of a script that a person ran the model is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A turn of the current branch: the cell that it came from, and what a rewind to before it restores."""

    cell_id: str | None
    turn_id: str
    prompt: str
    status: str
    store: Any
    permissions: tuple[Any, ...]
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What stood before a turn began."""

    store: Any
    permissions: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Dropped:
    """The turns that a rewind took off the branch."""

    marks: tuple[Mark, ...] = ()

    @property
    def standing(self) -> tuple[Run, ...]:
        """Their runs whose effects are still there."""
        return tuple(run for mark in self.marks for run in mark.runs if _standing(run))

    def told(self) -> str:
        """Return what the person is told, nothing if there is nothing to tell."""
        if not self.marks:
            return ""
        later = len(self.marks) - 1
        turns = f" and {later} later turn{'' if later == 1 else 's'}" if later else ""
        lines = [f"↩ this cell's last turn{turns} left the conversation"]
        if self.standing:
            lines.append("what they did to files and by commands stands; to take file changes back:")
            lines += [f"  %toolscript undo {run.run_id}  ({_did(run)})" for run in self.standing]
        return "\n".join(lines)


@dataclass(slots=True)
class Branch:
    """The turns of one conversation by their cells. One for each harness."""

    marks: list[Mark] = field(default_factory=list)

    async def rewind(self, harness: Harness, cell_id: str | None) -> Dropped:
        """Go back to before the last turn of this cell, if it is on the branch; cells without an id only append."""
        place = next((i for i, m in enumerate(self.marks) if cell_id is not None and m.cell_id == cell_id), None)
        if place is None:
            return Dropped()
        dropped = Dropped(tuple(self.marks[place:]))
        first = dropped.marks[0]
        harness.conversation.rewind(first.turn_id)
        self.marks = self.marks[:place]
        await self._leave(harness, dropped)
        harness.store.restore(first.store)
        # What a person allowed in a cell of their own since then was meant for the turn that runs again.
        said = {p.id for p in first.permissions}
        stated = [p for p in harness.permissions if p.by == "notebook" and p.id not in said]
        harness.permissions.restore((*first.permissions, *stated))
        return dropped

    async def forget(self, harness: Harness, cell_ids: Iterable[str]) -> Dropped:
        """Take the turns of deleted cells off the branch; those after them stay."""
        gone = set(cell_ids)
        dropped = Dropped(tuple(m for m in self.marks if m.cell_id in gone))
        if dropped.marks:
            harness.conversation.drop(m.turn_id for m in dropped.marks)
            self.marks = [m for m in self.marks if m.cell_id not in gone]
            await self._leave(harness, dropped)
        return dropped

    def before(self, harness: Harness) -> Before:
        """Return what a later rewind to this moment needs."""
        return Before(store=harness.store.copy(), permissions=harness.permissions.snapshot())

    def took(self, harness: Harness, cell_id: str | None, before: Before, runs: Iterable[Run]) -> None:
        """Note the turn that has just ended, however it ended; nothing if it never began."""
        turns = harness.conversation.turns
        known = {m.turn_id for m in self.marks}
        if not turns or (last := turns[-1]).turn_id in known:
            return
        self.marks.append(
            Mark(
                cell_id=cell_id, turn_id=last.turn_id, prompt=last.prompt, status=last.status, runs=tuple(runs),
                store=before.store, permissions=before.permissions,
            )
        )  # fmt: skip

    async def _leave(self, harness: Harness, dropped: Dropped) -> None:
        await harness.board.end_turns(frozenset(m.turn_id for m in dropped.marks))
        if dropped.standing:
            harness.conversation.note(
                "The user went back to an earlier point of the conversation. Files were not taken back: "
                + "; ".join(_did(run) for run in dropped.standing),
                key="rewind",
            )


class Heard:
    """Listens to a turn and keeps its runs, also of one that never comes to its end."""

    def __init__(self) -> None:
        self._events: dict[str, list[BaseEvent]] = {}

    def __call__(self, event: BaseEvent) -> None:
        """Take one event."""
        if event.run_id is not None and getattr(event, "type", "") != "operation_output_delta":
            self._events.setdefault(event.run_id, []).append(event)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs as far as they came."""
        from toolscript.run import Run

        return tuple(Run.fold(events) for events in self._events.values())


def script_note(source: str, run: Run) -> str:
    """Return what the model is told of a script that a person ran in the notebook."""
    from toolscript.agent.inert import as_json, fenced

    told: dict[str, Json] = {"status": run.status.value if run.status else "aborted"}
    told |= {"error": run.error} if run.error else {"result": run.result}
    outcome = as_json(told)
    cut = outcome if len(outcome) <= NOTE_CHARS else f"{outcome[:NOTE_CHARS]} … (cut)"
    script = source if len(source) <= NOTE_CHARS else f"{source[:NOTE_CHARS]}\n… (cut)"
    return f"The user ran this script in the notebook:\n{fenced(script, 'ts')}\n{cut}"


def _standing(run: Run) -> tuple[Operation, ...]:
    return tuple(o for o in run.operations if o.effect in _EFFECTS and o.status.value == "succeeded")


def _did(run: Run) -> str:
    from toolscript_kernel.record.outcome import outcome

    return ", ".join(f"{o.tool}: {outcome(o)}" for o in _standing(run)[:5])
