"""Decides which runs an undo has taken back already, so that nobody takes them back twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from toolscript.errors import ToolError
from toolscript.journal.reader import records
from toolscript.journal.records import CallRecord, EndRecord


def undone_by(undos: Iterable[tuple[str, Path]]) -> dict[str, str]:
    """Return, for each run whose undo stands, the run that undid it; ``undos`` are id and journal, oldest first.

    An undo that left paths as they were stands for none: they can still be chosen.
    """
    standing: dict[str, str] = {}
    targets: dict[str, list[str]] = {}
    for undo_id, path in undos:
        if not (runs := _taken_back(path)):
            continue
        targets[undo_id] = runs
        for run_id in runs:
            for brought_back in targets.get(run_id, ()):
                standing.pop(brought_back, None)
            standing[run_id] = undo_id
    return standing


def refuse_undone(run_ids: Iterable[str], standing: dict[str, str]) -> None:
    """Raise ToolError ``already_undone`` for a run that was taken back before."""
    if found := [run_id for run_id in run_ids if run_id in standing]:
        undo_id = standing[found[0]]
        raise ToolError(
            f"{found[0]} was undone already, by {undo_id}; to bring its changes back, undo {undo_id}",
            tool="undo", code="already_undone", details={"undone": found, "by": undo_id},
        )  # fmt: skip


def _taken_back(path: Path) -> list[str]:
    runs: list[str] = []
    for record in records(path, unknown="skip"):
        match record:
            case CallRecord(number=1):
                runs = json.loads(record.arguments)["runs"]
            case EndRecord(number=1, ok=True):
                result = json.loads(record.value)
                return [] if result.get("conflicts") or result.get("kept") else runs
            case _:
                pass
    return []
