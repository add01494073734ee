"""Decides what an undo of recorded runs does: every path back to what it was, or nothing touched and a choice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from toolscript.errors import Json
from toolscript.facade.images import Bodies, changes_of
from toolscript.files.disk import DiskFiles
from toolscript.files.undo import Conflict, conflicts, net, restore, undo, widened
from toolscript.journal.records import BeginRecord, CallRecord, EndRecord, Record
from toolscript.recovery.merge import merged
from toolscript.registry.files import Change, State

Pick = Literal["keep", "restore", "merge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What runs did: changed paths with before-images, and effects that no undo takes back."""

    changes: tuple[Change, ...]
    others: tuple[str, ...]

    @classmethod
    def read(cls, records: Iterable[Record], body: Bodies) -> Effects:
        """Return the effects that the records of one run tell of."""
        changes: list[Change] = []
        calls: dict[int, CallRecord] = {}
        begun: dict[int, BeginRecord] = {}
        changing: set[int] = set()
        for record in records:
            match record:
                case CallRecord():
                    calls[record.number] = record
                case BeginRecord():
                    begun[record.number] = record
                case EndRecord() if record.changes:
                    changing.add(record.number)
                    changes.extend(changes_of(record.changes, body))
                case _:
                    pass
        others = tuple(_named(calls[n]) for n, b in begun.items() if n in calls and n not in changing and _foreign(b))
        return cls(changes=tuple(changes), others=others)

    @property
    def net(self) -> tuple[Change, ...]:
        """One change for each path that ended other than it began."""
        return net(self.changes)


def _foreign(begin: BeginRecord) -> bool:
    return begin.effect != "write"


def _named(call: CallRecord) -> str:
    return f"{call.tool} {call.arguments[:200]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What an undo did; with ``conflicts`` it did nothing, and each of them needs a choice."""

    changes: tuple[Change, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    not_undone: tuple[str, ...] = ()
    kept: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return what faces show."""
        return {
            "restored": [str(c.path) for c in self.changes],
            "conflicts": [_conflict(c) for c in self.conflicts],
            "kept": [str(path) for path in self.kept],
            "not_undone": list(self.not_undone),
        }


def _conflict(conflict: Conflict) -> dict[str, Json]:
    states = {"before": conflict.before, "after": conflict.after, "now": conflict.now}
    return {"path": str(conflict.path), **{name: _state(state) for name, state in states.items()}}


def _state(state: State) -> dict[str, Json]:
    return {"kind": state.kind, "digest": state.digest, "mode": state.mode}


def take_back(effects: Effects, files: DiskFiles, picks: Mapping[Path, Pick] | None = None) -> Undone:
    """Undo the effects: all paths, or none while one has changed since and no choice was made for it.

    ``picks`` chooses for each path that has changed since: ``keep`` it as it is now, ``restore`` what it was before
    the run, or ``merge``: take the run's change out of what is there now. Raises ToolError ``not_undoable`` for a
    content too large to have been kept, and ``merge_conflict``; nothing has changed then.
    """
    picks = picks or {}
    files = widened(files, effects.changes)
    changed = conflicts(files, effects.changes)
    if not changed:
        return Undone(changes=undo(files, effects.changes), not_undone=effects.others)
    if any(c.path not in picks for c in changed):
        return Undone(conflicts=changed, not_undone=effects.others)
    by_path = {c.path: c for c in changed}
    states = [(c.path, s) for c in effects.net if (s := _wanted(c, by_path.get(c.path), picks)) is not None]
    made = [path for change in effects.net for path in change.created_dirs]
    kept = tuple(path for path, pick in picks.items() if pick == "keep")
    return Undone(changes=restore(files, states, made), kept=kept, not_undone=effects.others)


def _wanted(change: Change, conflict: Conflict | None, picks: Mapping[Path, Pick]) -> State | None:
    if conflict is None or picks[change.path] == "restore":
        return change.before
    if picks[change.path] == "keep":
        return None
    return merged(change, conflict)
