"""Decides how a changed path is written down: with the before-image that undo needs, and read back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolscript.journal import images
from toolscript.registry.files import Change, Files, State

if TYPE_CHECKING:
    from toolscript.errors import Json
    from toolscript.journal.records import Journal
    from toolscript.registry.classification import Classification

MERGE_BYTES = 1024 * 1024
"""Up to this size what a call wrote is kept too: a later merge needs it."""

Bodies = Callable[[str], bytes]
"""Returns what was kept under a digest."""


def change_records(changes: Iterable[Change], journal: Journal) -> tuple[dict[str, Json], ...]:
    """Return changes as JSON; contents are kept beside the journal, by digest."""
    return tuple(
        {
            "path": str(c.path),
            "before": written(c.before, journal, keep=True),
            "after": written(c.after, journal, keep=_mergeable(c.after, journal)),
            "created_dirs": [str(path) for path in c.created_dirs],
        }
        for c in changes
    )


def begin_paths(seen: Classification, files: Files, cwd: Path, journal: Journal) -> tuple[dict[str, Json], ...]:
    """Return what a call is about to change, before it does: before-images, and the digests that will be there.

    Blocks; contents are kept beside the journal. Who finds the run interrupted can complete the call, or undo it.
    """
    afters = {p.path: p.after for p in seen.paths if p.kind != "read"}
    return tuple(
        {
            "path": os.fspath(path),
            "before": written(
                files.state(files.place(os.fspath(path), cwd, follow=False), content=True), journal, keep=True
            ),
            "after": after,
            "missing_dirs": _missing_above(path),
        }
        for path, after in afters.items()
    )


def before_of(record: Mapping[str, Json], body: Bodies) -> State:
    """Return the before-image in one path of a ``begin`` record; without its bytes where they were too many.

    Raises JournalError for what is none.
    """
    return read_state(images.begun(record)["before"], body)


def _missing_above(path: Path) -> list[str]:
    missing: list[str] = []
    for parent in path.parents:
        if os.path.lexists(parent):
            break
        missing.insert(0, os.fspath(parent))
    return missing


def changes_of(records: Iterable[Mapping[str, Json]], body: Bodies) -> tuple[Change, ...]:
    """Return the changes that records tell of, with the contents that were kept. Raises JournalError."""
    return tuple(
        Change(
            path=Path(r["path"]), before=read_state(r["before"], body), after=read_state(r["after"], body),
            created_dirs=tuple(Path(p) for p in r["created_dirs"]),
        )
        for r in map(images.change, records)
    )  # fmt: skip


def _mergeable(state: State, journal: Journal) -> bool:
    """Say whether what a call wrote is kept for a later merge: not if it is large, or holds a secret."""
    return len(state.data or b"") <= MERGE_BYTES and journal.clean(state.data or b"")


def written(state: State, journal: Journal, *, keep: bool = True) -> dict[str, Json]:
    """Return a state as JSON; its content is kept beside the journal, if it is to be kept."""
    kept = state.data is not None and keep
    if kept and state.data is not None:
        journal.keep(state.data)
    return {"kind": state.kind, "digest": state.digest, "mode": state.mode, "kept": kept}


def read_state(data: Mapping[str, Json], body: Bodies) -> State:
    """Return the state that :func:`written` wrote down, with the content that was kept."""
    digest = data.get("digest")
    content = body(str(digest)) if data.get("kept") else None
    return State(kind=data["kind"], digest=digest, mode=data.get("mode"), data=content)
