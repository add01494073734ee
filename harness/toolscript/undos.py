"""Decides how the file changes of ended runs are taken back here: which runs, in a run of its own, once or again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from toolscript.errors import ToolError, ToolscriptError
from toolscript.events import Emitter
from toolscript.files.disk import DiskFiles
from toolscript.journal.records import Journal
from toolscript.recovery.history import chosen, past_runs
from toolscript.recovery.undo import Pick, check_picks
from toolscript.recovery.undoing import Undoing, effects_of_all, nothing_to_take_back
from toolscript.recovery.unknown import Resolution, check_given
from toolscript.run import Run
from toolscript.workshop import Journals, new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Undos:
    """The undos of one harness. ``goes_on`` says of a run's id whether it has not ended yet."""

    state: Path
    workspace: Path
    files: DiskFiles
    emitter: Emitter
    journals: Journals
    goes_on: Callable[[str], bool]

    async def undo(self, names: Sequence[str], picks: Mapping[Path, Pick]) -> Run:
        """Take back what these runs and turns changed; see :meth:`toolscript.harness.Harness.undo`."""
        past = await to_thread.run_sync(past_runs, self.state)
        found = await to_thread.run_sync(chosen, past, names, self.workspace, bool(picks))
        wanted = [entry.run.run_id for entry in found]
        if going := [run_id for run_id in wanted if self.goes_on(run_id)]:
            raise ToolError(f"{', '.join(going)} has not ended yet", tool="undo", code="not_ended")
        effects = await to_thread.run_sync(effects_of_all, self.state, wanted)
        if picks:
            await to_thread.run_sync(check_picks, effects, self.files, picks)
        if not effects.net:  # nothing that anybody would take back: no run, no journal
            return nothing_to_take_back(names, effects)
        run_id = new_id("r")
        undoing = self._undoing(run_id, self.journals(run_id))
        with undoing.emitter.collecting(run_id) as events:
            await undoing.run(wanted, picks)
        return Run.fold(events)

    async def resume(self, run_id: str, journal: Journal, given: Mapping[int, Resolution]) -> Run:
        """Go on with an undo whose host died. Raises ConfigError for any given outcome: none is in question."""
        try:
            check_given(given, ())
        except ToolscriptError:
            journal.close()
            raise
        undoing = self._undoing(run_id, journal)
        with undoing.emitter.collecting(run_id) as events:
            await undoing.resume()
        return Run.fold(events)

    def _undoing(self, run_id: str, journal: Journal) -> Undoing:
        return Undoing(
            state=self.state, files=self.files, run_id=run_id, emitter=self.emitter.scoped(run_id=run_id),
            journal=journal, workspace=self.workspace,
        )  # fmt: skip
