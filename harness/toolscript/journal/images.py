"""Decides what a record may say of changed files, and that anything else is damage and not believed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import get_args

from toolscript.errors import JournalError, Json
from toolscript.registry.files import Kind

KINDS = frozenset(get_args(Kind))
MODES = 0o7777

Check = Callable[[Json], bool]


def change(record: Json) -> Mapping[str, Json]:
    """Return what an ``end`` says of one changed path. Raises JournalError for what no writer of ours wrote."""
    return _checked(record, {"path": _is_path, "before": is_state, "after": is_state, "created_dirs": _are_paths})


def begun(record: Json) -> Mapping[str, Json]:
    """Return what a ``begin`` says of one path that is about to change. Raises JournalError."""
    return _checked(record, {"path": _is_path, "before": is_state, "after": _is_digest, "missing_dirs": _are_paths})


def step(record: Json) -> Mapping[str, Json]:
    """Return what the ``begin`` of an undo says of one path. Raises JournalError."""
    return _checked(begun(record), {"wanted": is_state, "made": lambda made: isinstance(made, bool)})


def is_state(value: Json) -> bool:
    """Say whether a value is the image of a file, a link, a directory or of nothing."""
    match value:
        case {"kind": str(kind), "digest": digest, "mode": mode, "kept": bool(kept)}:
            whole = mode is None or (isinstance(mode, int) and not isinstance(mode, bool) and 0 <= mode <= MODES)
            return kind in KINDS and _is_digest(digest) and whole and not (kept and digest is None)
        case _:
            return False


def _checked(record: Json, checks: Mapping[str, Check]) -> Mapping[str, Json]:
    if not isinstance(record, Mapping):
        raise JournalError("the journal is damaged: a changed path is no object")
    for name, check in checks.items():
        if name not in record or not check(record[name]):
            raise JournalError(f"the journal is damaged: the {name} of a changed path is none")
    return record


def _is_path(value: Json) -> bool:
    """Say whether a value is a path as files are written down: absolute, without detours, one that can exist."""
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        return False
    return os.path.normpath(value) == value and not value.startswith("//")


def _are_paths(value: Json) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_path, value))


def _is_digest(value: Json) -> bool:
    return value is None or isinstance(value, str)
