"""Decides what an undo of recorded runs does: every path back to what it was, or nothing touched and a choice."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from toolscript.errors import ConfigError, Json, ToolError
from toolscript.facade.images import Bodies, changes_of, read_state, written
from toolscript.files.content import MISSING
from toolscript.files.disk import DiskFiles
from toolscript.files.paths import shown
from toolscript.files.undo import Conflict, alike, conflicts, net, place_of, restore, widened
from toolscript.journal import images
from toolscript.journal.records import BeginRecord, CallRecord, EndRecord, Journal, Record
from toolscript.recovery.merge import merged
from toolscript.registry.files import Change, State

Pick = Literal["keep", "restore", "merge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What runs did: changed paths with before-images, and effects that no undo takes back."""

    timed: tuple[tuple[int, Change], ...]
    """Each change with the host's time at which its call had ended."""
    others: tuple[str, ...]

    @classmethod
    def read(cls, records: Iterable[Record], body: Bodies) -> Effects:
        """Return the effects that the records of one run tell of."""
        changes: list[tuple[int, Change]] = []
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
                    changes.extend((record.time_ms, change) for change in changes_of(record.changes, body))
                case _:
                    pass
        others = tuple(_named(calls[n]) for n, b in begun.items() if n in calls and n not in changing and _foreign(b))
        return cls(timed=tuple(changes), others=others)

    @classmethod
    def joined(cls, several: Iterable[Effects]) -> Effects:
        """Return the effects of several runs as those of one, in the order in which they happened."""
        kept = tuple(several)
        timed = sorted((t for effects in kept for t in effects.timed), key=lambda entry: entry[0])
        return cls(timed=tuple(timed), others=tuple(other for effects in kept for other in effects.others))

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes in their order."""
        return tuple(change for _, change in self.timed)

    @property
    def net(self) -> tuple[Change, ...]:
        """One change for each path that ended other than it began."""
        return net(self.changes)


def _foreign(begin: BeginRecord) -> bool:
    return begin.effect != "write"


def _named(call: CallRecord) -> str:
    return f"{call.tool} {call.arguments[:200]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One path as it is now, and as it has to be. ``made`` is a directory that goes only if it is empty then."""

    path: Path
    now: State
    wanted: State
    made: bool = False
    missing_dirs: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoable:
    """What an undo has to do; with ``conflicts`` nothing yet, since each of them needs a choice."""

    steps: tuple[Step, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    kept: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What an undo did; with ``conflicts`` it did nothing. ``later`` names the runs that changed such paths since."""

    changes: tuple[Change, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    not_undone: tuple[str, ...] = ()
    kept: tuple[Path, ...] = ()
    later: Mapping[Path, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Return what faces show."""
        return {
            "restored": [str(c.path) for c in self.changes],
            "conflicts": [_conflict(c, self.later.get(c.path)) for c in self.conflicts],
            "kept": [str(path) for path in self.kept],
            "not_undone": list(self.not_undone),
        }


def _conflict(conflict: Conflict, later: str | None) -> dict[str, Json]:
    states = {"before": conflict.before, "after": conflict.after, "now": conflict.now}
    by = {} if later is None else {"changed_by": later}
    return {"path": str(conflict.path), **{name: _state(state) for name, state in states.items()}, **by}


def _state(state: State) -> dict[str, Json]:
    return {"kind": state.kind, "digest": state.digest, "mode": state.mode}


def undoable(effects: Effects, files: DiskFiles, picks: Mapping[Path, Pick] | None = None) -> Undoable:
    """Return how the effects are undone: all paths, or none while one has changed since and no choice was made for it.

    A path that is as it was before already needs nothing. ``picks`` chooses for each path that has changed since:
    ``keep`` it as it is now, ``restore`` what it was before the run, or ``merge``: take the run's change out of what
    is there now. Changes nothing. Raises ToolError ``not_undoable`` for a content too large to have been kept, and
    ``merge_conflict``.
    """
    picks, files = picks or {}, widened(files, effects.changes)
    changed = {c.path: c for c in in_question(effects, files)}
    if any(path not in picks for path in changed):
        return Undoable(conflicts=tuple(changed.values()))
    steps = [_step(files, c, s) for c in effects.net if (s := _wanted(c, changed.get(c.path), picks)) is not None]
    made = dict.fromkeys(path for change in effects.net for path in change.created_dirs)
    steps += [Step(path=p, now=State(kind="directory"), wanted=MISSING, made=True) for p in made]
    for step in steps:
        _check_kept(step)
    return Undoable(steps=tuple(steps), kept=tuple(path for path, pick in picks.items() if pick == "keep"))


def in_question(effects: Effects, files: DiskFiles) -> tuple[Conflict, ...]:
    """Return the paths that have changed since and are not what they were before either."""
    files = widened(files, effects.changes)
    return tuple(c for c in conflicts(files, effects.changes) if not alike(c.now, c.before))


def check_picks(effects: Effects, files: DiskFiles, picks: Mapping[Path, Pick]) -> None:
    """Raise ConfigError for a choice that would be passed over: its path has not changed since, or never changed.

    To restore what the runs changed is no choice to refuse: it is what happens.
    """
    asked = [c.path for c in in_question(effects, files)]
    mine = {change.path for change in effects.net}
    vain = [p for p, pick in picks.items() if p not in asked and not (pick == "restore" and p in mine)]
    if vain:
        names = ", ".join(shown(str(path)) for path in vain)
        others = ", ".join(shown(str(path)) for path in asked) or "none"
        raise ConfigError(f"there is nothing to choose for {names}: paths that changed since: {others}")


def _wanted(change: Change, conflict: Conflict | None, picks: Mapping[Path, Pick]) -> State | None:
    if conflict is None or picks[change.path] == "restore":
        return change.before
    if picks[change.path] == "keep":
        return None
    return merged(change, conflict)


def _step(files: DiskFiles, change: Change, wanted: State) -> Step:
    now = files.state(place_of(files, change.path), content=True)
    missing = tuple(parent for parent in change.path.parents if not os.path.lexists(parent))
    return Step(path=change.path, now=now, wanted=wanted, missing_dirs=missing if wanted.kind != "missing" else ())


def _check_kept(step: Step) -> None:
    state = step.wanted
    if state.kind == "other" or (state.kind in ("file", "symlink") and state.data is None):
        raise ToolError(f"{shown(str(step.path))}: what was there was not kept", code="not_undoable")


def carry_out(steps: Sequence[Step], files: DiskFiles) -> tuple[Change, ...]:
    """Do the steps, all or none, and return what changed.

    A step that is done already, by an undo that was interrupted, is told as done. Raises ToolError ``changed`` if a
    path is neither as it was found nor as it has to be; then nothing has changed.
    """
    files = widened(files, [Change(path=s.path, before=s.now, after=s.wanted) for s in steps])
    with files.locked(*(place_of(files, step.path) for step in steps)):
        done, left = _sorted_out(steps, files)
        states = [(step.path, step.wanted) for step in left if not step.made]
        return (*done, *restore(files, states, [step.path for step in left if step.made]))


def _sorted_out(steps: Sequence[Step], files: DiskFiles) -> tuple[list[Change], list[Step]]:
    done: list[Change] = []
    left: list[Step] = []
    others: list[str] = []
    for step in steps:
        now = files.state(place_of(files, step.path), content=True)
        if alike(now, step.wanted) and not step.made:
            dirs = tuple(path for path in step.missing_dirs if path.is_dir())
            done += [Change(path=step.path, before=step.now, after=now, created_dirs=dirs)]
        elif step.made and now.kind == "missing":
            done += [Change(path=step.path, before=step.now, after=now)]
        elif alike(now, step.now) or step.made:
            left.append(step)
        else:
            others.append(shown(str(step.path)))
    if others:
        names = ", ".join(others)
        raise ToolError(f"changed meanwhile, so nothing is undone: {names}", code="changed", details={"paths": others})
    return [change for change in done if not alike(change.before, change.after)], left


def begin_steps(steps: Iterable[Step], journal: Journal) -> tuple[dict[str, Json], ...]:
    """Return what an undo is about to do as it is written down before, with the bytes that it needs to go on."""
    return tuple(
        {
            "path": str(step.path), "before": written(step.now, journal), "wanted": written(step.wanted, journal),
            "after": step.wanted.digest, "made": step.made, "missing_dirs": [str(path) for path in step.missing_dirs],
        }
        for step in steps
    )  # fmt: skip


def steps_of(paths: Iterable[Mapping[str, Json]], body: Bodies) -> tuple[Step, ...]:
    """Return the steps that :func:`begin_steps` wrote down. Raises JournalError for what is none."""
    return tuple(
        Step(
            path=Path(p["path"]), now=read_state(p["before"], body), wanted=read_state(p["wanted"], body),
            made=bool(p["made"]), missing_dirs=tuple(map(Path, p["missing_dirs"])),
        )
        for p in map(images.step, paths)
    )  # fmt: skip
