"""Decides how a run's change is taken out of a file that somebody changed afterwards: by a three-way merge."""

from __future__ import annotations

from dataclasses import replace

from merge3 import Merge3

from toolscript.errors import ToolError
from toolscript.files.content import digest_of
from toolscript.files.undo import Conflict
from toolscript.registry.files import Change, State


def merged(change: Change, conflict: Conflict) -> State:
    """Return what the file is with the run's change taken out and all later changes kept.

    Raises ToolError ``merge_conflict`` when both touched the same lines, or when a state is no text file.
    """
    base, mine, now = change.after.data, change.before.data, conflict.now.data
    if base is None or mine is None or now is None or b"\0" in base + mine + now:
        raise ToolError(f"{change.path}: only text files can be merged", code="merge_conflict")
    merge = Merge3(base.splitlines(True), mine.splitlines(True), now.splitlines(True))
    if any(group[0] == "conflict" for group in merge.merge_groups()):
        raise ToolError(f"{change.path}: the run and a later change touched the same lines", code="merge_conflict")
    data = b"".join(merge.merge_lines())
    return replace(conflict.now, data=data, digest=digest_of(data))
