"""Decides how an undo is a run of its own: shown, journaled, and so undoable in turn."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from anyio import to_thread

from toolscript.errors import Json, ToolError, ToolscriptError
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
    RunEndRecord,
    RunRecord,
)
from toolscript.journal.state import run_files, run_path
from toolscript.language.parser import script_hash
from toolscript.limits import Limits
from toolscript.recovery.undo import Effects, Pick, Undone, take_back
from toolscript.recovery.undone import refuse_undone, undone_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """One undo of one or more runs, the oldest first, with the runs of agents that they asked."""

    state: Path
    files: DiskFiles
    run_id: str
    emitter: Emitter
    journals: Callable[[str], Journal]
    workspace: Path

    async def run(self, run_ids: Sequence[str], picks: Mapping[Path, Pick]) -> None:
        """Undo the runs; events tell what was restored, or which paths need a choice first."""
        wanted = self._with_nested(run_ids, again=bool(picks))
        arguments: Json = {"runs": wanted, "picks": {str(path): pick for path, pick in picks.items()}}
        journal = self.journals(self.run_id)
        try:
            self._open(arguments, journal)
            began = time.monotonic()
            try:
                undone = await self._take_back(wanted, picks, journal)
            except ToolscriptError as error:
                self._close(None, error, began, journal)
            else:
                self._close(undone, _choice_needed(undone), began, journal)
            await journal.sync()
        finally:
            journal.close()

    def _with_nested(self, run_ids: Sequence[str], *, again: bool) -> list[str]:
        """Return the runs and those of agents that they asked, in the order in which they began.

        Raises ToolError ``not_found``, ``not_ended`` while one of them or a task of it still runs, and
        ``already_undone``, unless they are to be taken back ``again`` by choices for each path.
        """
        wanted, going = set(run_ids), []
        found: list[tuple[int, str]] = []
        undos: list[tuple[str, Path]] = []
        for file in sorted(run_files(self.state), key=lambda f: f.path.stat().st_mtime_ns):
            first = next(iter(records(file.path, unknown="skip")), None)
            if not isinstance(first, RunRecord):
                continue
            if first.origin == "undo" and file.ended:
                undos.append((first.run_id, file.path))
            if first.run_id in wanted or (first.parent or "").partition("/")[0] in wanted:
                wanted.add(first.run_id)
                found.append((first.time_ms, first.run_id))
                going += [first.run_id] if file.live else []
        if missing := set(run_ids) - {run_id for _, run_id in found}:
            raise ToolError(f"there is no run {', '.join(sorted(missing))} in this workspace", code="not_found")
        if going:
            raise ToolError(
                f"{', '.join(going)} has not ended: a task of it still runs; end it first (tools.spawn.cancel(id))",
                tool="undo", code="not_ended", details={"runs": going},
            )  # fmt: skip
        if not again:
            refuse_undone(run_ids, undone_by(undos))
        return [run_id for _, run_id in sorted(found)]

    async def _take_back(self, run_ids: Sequence[str], picks: Mapping[Path, Pick], journal: Journal) -> Undone:
        effects = await to_thread.run_sync(self._effects, run_ids)
        paths = tuple({"path": str(c.path), "before": c.after.digest} for c in effects.net)
        journal.write(BeginRecord(number=1, effect="write", paths=paths))
        await journal.sync()
        return await to_thread.run_sync(take_back, effects, self.files, picks)

    def _effects(self, run_ids: Sequence[str]) -> Effects:
        read = [self._read(run_path(self.state, run_id)) for run_id in run_ids]
        changes = tuple(change for effects in read for change in effects.changes)
        return Effects(changes=changes, others=tuple(other for effects in read for other in effects.others))

    def _read(self, path: Path) -> Effects:
        return Effects.read(records(path, unknown="skip"), partial(read_blob, path))

    def _open(self, arguments: Json, journal: Journal) -> None:
        source = "// undo " + " ".join(arguments["runs"])
        digest = script_hash(source)
        journal.write(
            RunRecord(
                run_id=self.run_id,
                source=source,
                script_hash=digest,
                origin="undo",
                last_expression=False,
                params="null",
                context="{}",
                store="{}",
                seed=0,
                time_ms=int(time.time() * 1000),
                limits=asdict(Limits()),
                allowed_tools=(),
                workspace=str(self.workspace),
                policy="undo",
                digests={},
            )
        )
        journal.write(CallRecord(number=1, tool="undo", arguments=json.dumps(arguments)))
        self.emitter.emit(ScriptExecution, source=source, script_hash=digest, origin="undo")
        self.emitter.emit(OperationStarted, operation=1, tool="undo", arguments=arguments, effect="write")

    def _close(self, undone: Undone | None, error: ToolscriptError | None, began: float, journal: Journal) -> None:
        status = OperationStatus.SUCCEEDED if error is None else OperationStatus.FAILED
        result = undone.to_json() if undone else None
        told = error.to_json() if error else None
        milliseconds = round((time.monotonic() - began) * 1000, 3)
        journal.write(
            EndRecord(
                number=1,
                ok=error is None,
                value=json.dumps(told or result),
                time_ms=int(time.time() * 1000),
                status=status.value,
                changes=change_records(undone.changes if undone else (), journal),
            )
        )
        self.emitter.emit(
            OperationFinished, operation=1, tool="undo", status=status, output=result, error=told,
            duration_ms=milliseconds,
        )  # fmt: skip
        ended = RunStatus.COMPLETED if error is None else RunStatus.FAILED
        text = None if result is None else json.dumps(result)
        journal.write(RunEndRecord(status=ended.value, result=text, error=told))
        self.emitter.emit(
            ScriptExecutionOutput, status=ended, script_hash=script_hash("// undo"), result=result, error=told,
            durations={"total": milliseconds},
        )  # fmt: skip


def _choice_needed(undone: Undone) -> ToolError | None:
    if not undone.conflicts:
        return None
    names = ", ".join(str(c.path) for c in undone.conflicts)
    return ToolError(
        f"changed since, so nothing was undone: {names}; choose keep, restore or merge for each",
        tool="undo", code="changed", details=undone.to_json(),
    )  # fmt: skip
