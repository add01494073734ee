"""Decides how a changed path is written down: with the before-image that undo needs, and read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from toolscript.errors import Json
from toolscript.journal.records import Journal
from toolscript.registry.files import Change, State

MERGE_BYTES = 1024 * 1024
"""Up to this size what a call wrote is kept too: a later merge needs it."""

Bodies = Callable[[str], bytes]
"""Returns what was kept under a digest."""


def change_records(changes: Iterable[Change], journal: Journal) -> tuple[dict[str, Json], ...]:
    """Return changes as JSON; contents are kept beside the journal, by digest."""
    return tuple(
        {
            "path": str(c.path),
            "before": _written(c.before, journal, keep=True),
            "after": _written(c.after, journal, keep=len(c.after.data or b"") <= MERGE_BYTES),
            "created_dirs": [str(path) for path in c.created_dirs],
        }
        for c in changes
    )


def changes_of(records: Iterable[Mapping[str, Json]], body: Bodies) -> tuple[Change, ...]:
    """Return the changes that records tell of, with the contents that were kept."""
    return tuple(
        Change(
            path=Path(r["path"]), before=_read(r["before"], body), after=_read(r["after"], body),
            created_dirs=tuple(Path(p) for p in r["created_dirs"]),
        )
        for r in records
    )  # fmt: skip


def _written(state: State, journal: Journal, *, keep: bool) -> dict[str, Json]:
    kept = state.data is not None and keep
    if kept and state.data is not None:
        journal.keep(state.data)
    return {"kind": state.kind, "digest": state.digest, "mode": state.mode, "kept": kept}


def _read(data: Mapping[str, Json], body: Bodies) -> State:
    digest = data.get("digest")
    content = body(str(digest)) if data.get("kept") else None
    return State(kind=data["kind"], digest=digest, mode=data.get("mode"), data=content)
