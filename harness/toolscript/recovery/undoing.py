"""Decides how an undo is a run of its own: shown, journaled, and so undoable in turn."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from anyio import to_thread

from toolscript.errors import Json, StillInterrupted, ToolError, ToolscriptError
from toolscript.events import (
    Emitter,
    OperationFinished,
    OperationStarted,
    OperationStatus,
    RunStatus,
    ScriptExecution,
    ScriptExecutionOutput,
)
from toolscript.facade.images import change_records
from toolscript.files.disk import DiskFiles
from toolscript.journal.blobs import read_blob
from toolscript.journal.reader import records
from toolscript.journal.records import (
    BeginRecord,
    CallRecord,
    EndRecord,
    Journal,
    Record,
    RunEndRecord,
    RunRecord,
)
from toolscript.journal.state import run_path
from toolscript.language.parser import script_hash
from toolscript.limits import Limits
from toolscript.recovery.history import changed_later, elsewhere, past_runs
from toolscript.recovery.undo import Effects, Pick, Undone, begin_steps, carry_out, steps_of, undoable
from toolscript.run import Run
from toolscript.texts import loads


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """One undo of one or more runs, the oldest first, with the runs of agents that they asked."""

    state: Path
    files: DiskFiles
    run_id: str
    emitter: Emitter
    journal: Journal
    workspace: Path

    async def run(self, run_ids: Sequence[str], picks: Mapping[Path, Pick]) -> None:
        """Undo these runs; events tell what was restored, or which paths need a choice first."""
        arguments: Json = {"runs": list(run_ids), "picks": {str(path): pick for path, pick in picks.items()}}
        self._open(arguments)
        await self._conclude(arguments, None)

    async def resume(self) -> None:
        """Go on with an undo whose host died: what it had restored is recognised, the rest is done, or nothing.

        Raises StillInterrupted, JournalDamaged and JournalError; the journal is closed in any case.
        """
        try:
            kept = self._kept()
            arguments = self._meant(kept)
        except BaseException:
            self.journal.close()
            raise
        begun = next((r for r in kept if isinstance(r, BeginRecord)), None)
        self._announce(arguments)
        ended = next((r for r in kept if isinstance(r, EndRecord)), None)
        if ended is None:
            await self._conclude(arguments, begun)
        else:
            self._finish(loads(ended.value), ok=ended.ok, milliseconds=0.0, changed=bool(ended.changes))
            await self._give_up()

    def _kept(self) -> tuple[Record, ...]:
        kept = tuple(records(run_path(self.state, self.run_id)))
        if any(isinstance(r, RunEndRecord) for r in kept):
            raise StillInterrupted(f"{self.run_id} has ended; there is nothing to resume", code="not_resumable")
        if isinstance(first := kept[0], RunRecord) and (why := elsewhere(first, self.run_id, self.workspace)):
            raise StillInterrupted(why, code="not_resumable")
        return kept

    def _meant(self, kept: Sequence[Record]) -> Json:
        """Return which runs the undo means, written down if its host had no time to."""
        calls = (_arguments(r) for r in kept if isinstance(r, CallRecord))
        arguments = next(calls, None)
        if arguments is None:
            arguments = {"runs": kept[0].source.split()[2:] if isinstance(kept[0], RunRecord) else [], "picks": {}}
            self.journal.write(CallRecord(number=1, tool="undo", arguments=json.dumps(arguments), time_ms=_now()))
        return arguments

    async def _conclude(self, arguments: Json, begun: BeginRecord | None) -> None:
        began = time.monotonic()
        try:
            undone = await self._take_back(arguments, begun)
        except ToolscriptError as error:
            self._close(None, error, began)
        else:
            self._close(undone, _choice_needed(undone), began)
        await self._give_up()

    async def _give_up(self) -> None:
        await self.journal.sync()
        self.journal.close()

    async def _take_back(self, arguments: Json, begun: BeginRecord | None) -> Undone:
        run_ids = arguments["runs"]
        effects = await to_thread.run_sync(effects_of_all, self.state, run_ids)
        picks: dict[Path, Pick] = {Path(path): pick for path, pick in arguments["picks"].items()}
        if begun is None:
            plan = await to_thread.run_sync(undoable, effects, self.files, picks)
            if plan.conflicts:
                later = await to_thread.run_sync(self._later, run_ids, [c.path for c in plan.conflicts])
                return Undone(conflicts=plan.conflicts, not_undone=effects.others, later=later)
            begun = BeginRecord(number=1, effect="write", paths=begin_steps(plan.steps, self.journal))
            self.journal.write(begun)
            await self.journal.sync()
        steps = steps_of(begun.paths, self.journal.body)
        changes = await to_thread.run_sync(carry_out, steps, self.files)
        kept = tuple(path for path, pick in picks.items() if pick == "keep")
        return Undone(changes=changes, kept=kept, not_undone=effects.others)

    def _later(self, run_ids: Sequence[str], paths: Sequence[Path]) -> Mapping[Path, str]:
        past = past_runs(self.state)
        return changed_later(past, [entry for entry in past if entry.run.run_id in run_ids], paths)

    def _open(self, arguments: Json) -> None:
        source = _source(arguments)
        self.journal.write(
            RunRecord(
                run_id=self.run_id,
                source=source,
                script_hash=script_hash(source),
                origin="undo",
                last_expression=False,
                params="null",
                context="{}",
                store="{}",
                seed=0,
                time_ms=_now(),
                limits=asdict(Limits()),
                allowed_tools=(),
                workspace=str(self.workspace),
                policy="undo",
                digests={},
            )
        )
        self.journal.write(CallRecord(number=1, tool="undo", arguments=json.dumps(arguments), time_ms=_now()))
        self._announce(arguments)

    def _announce(self, arguments: Json) -> None:
        source = _source(arguments)
        self.emitter.emit(ScriptExecution, source=source, script_hash=script_hash(source), origin="undo")
        self.emitter.emit(OperationStarted, operation=1, tool="undo", arguments=arguments, effect="write")

    def _close(self, undone: Undone | None, error: ToolscriptError | None, began: float) -> None:
        status = OperationStatus.SUCCEEDED if error is None else OperationStatus.FAILED
        told: Json = error.to_json() if error else undone.to_json() if undone else None
        self.journal.write(
            EndRecord(
                number=1, ok=error is None, value=json.dumps(told), time_ms=_now(), status=status.value,
                changes=change_records(undone.changes if undone else (), self.journal),
            )
        )  # fmt: skip
        milliseconds = round((time.monotonic() - began) * 1000, 3)
        self._finish(told, ok=error is None, milliseconds=milliseconds, changed=bool(undone and undone.changes))

    def _finish(self, told: Json, *, ok: bool, milliseconds: float, changed: bool) -> None:
        """Write the undo's last record, and tell of its end: ``told`` is its result, or its error."""
        result, error = (told, None) if ok else (None, told)
        status = OperationStatus.SUCCEEDED if ok else OperationStatus.FAILED
        self.emitter.emit(
            OperationFinished, operation=1, tool="undo", status=status, output=result, error=error,
            duration_ms=milliseconds,
        )  # fmt: skip
        ended = RunStatus.COMPLETED if ok else RunStatus.FAILED
        text = None if result is None else json.dumps(result)
        self.journal.write(RunEndRecord(status=ended.value, result=text, error=error, time_ms=_now(), changed=changed))
        self.emitter.emit(
            ScriptExecutionOutput, status=ended, script_hash=script_hash("// undo"), result=result, error=error,
            durations={"total": milliseconds},
        )  # fmt: skip


def nothing_to_take_back(names: Iterable[str], effects: Effects) -> Run:
    """Return what an undo of runs without changes comes to: it says so, and what else they did."""
    none = f"there is nothing to take back: {', '.join(names)} changed no file"
    return Run(status=RunStatus.COMPLETED, result=Undone(not_undone=effects.others).to_json(), warnings=(none,))


def effects_of_all(state: Path, run_ids: Iterable[str]) -> Effects:
    """Return what these runs did, as those of one. Raises JournalDamaged and JournalError."""
    return Effects.joined(effects_of(run_path(state, run_id)) for run_id in run_ids)


def effects_of(path: Path) -> Effects:
    """Return what the run of this journal did. Raises JournalDamaged and JournalError."""
    return Effects.read(records(path, unknown="skip"), partial(read_blob, path))


def _arguments(call: CallRecord) -> Json:
    """Return which runs an undo meant, and what was chosen. Raises StillInterrupted for what is neither."""
    try:
        arguments: Json = loads(call.arguments)
    except ValueError:
        arguments = None
    match arguments:
        case {"runs": [*runs], "picks": dict(picks)} if all(isinstance(run, str) for run in runs):
            if all(pick in get_args(Pick) for pick in picks.values()):
                return arguments
    raise StillInterrupted("the journal does not say what was to be undone", code="not_resumable")


def _source(arguments: Json) -> str:
    return "// undo " + " ".join(arguments["runs"])


def _now() -> int:
    return int(time.time() * 1000)


def _choice_needed(undone: Undone) -> ToolError | None:
    if not undone.conflicts:
        return None
    later = undone.later
    names = ", ".join(f"{c.path}{f' (by {later[c.path]})' if c.path in later else ''}" for c in undone.conflicts)
    return ToolError(
        f"changed since, so nothing was undone: {names}; choose keep, restore or merge for each",
        tool="undo", code="changed", details=undone.to_json(),
    )  # fmt: skip
