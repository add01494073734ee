"""Decides how verified actions reach the files: in order, and all of them or none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from toolscript.errors import ToolError
from toolscript.registry.files import Files, Place, State
from toolscript_tools.patch.failures import failed
from toolscript_tools.patch.verify import Action


def apply(actions: Sequence[Action], files: Files, *, checkpoint: Callable[[], None] = lambda: None) -> None:
    """Carry the actions out. ``checkpoint`` is called before each and may raise to stop.

    If anything fails, what was done is put back before the error goes on; a ToolError then says so, and names in
    ``details.left`` what could not be put back.
    """
    done = _Done(files)
    try:
        for action in actions:
            checkpoint()
            _carry_out(action, done)
    except ToolError as error:
        raise _failure(error, done.put_back(), undone=done.anything) from error
    except BaseException:
        done.put_back()
        raise


class _Done:
    """What was done so far, and how to put it back."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._steps: list[tuple[Place, State, tuple[Path, ...]]] = []

    @property
    def anything(self) -> bool:
        return bool(self._steps)

    def write(self, place: Place, before: State, content: bytes, *, create_dirs: bool, mode: int | None) -> None:
        change = self._files.write(place, content, create_dirs=create_dirs, mode=mode)
        self._steps.append((place, before, change.created_dirs))

    def delete(self, place: Place, before: State) -> None:
        self._files.delete(place)
        self._steps.append((place, before, ()))

    def put_back(self) -> list[str]:
        """Return the paths that could not be put back."""
        left = []
        for place, before, created in reversed(self._steps):
            try:
                self._files.put(place, before)
            except ToolError:
                left.append(place.spelt)
            self._remove(created)
        return left

    def _remove(self, created: Sequence[Path]) -> None:
        for path in sorted(created, reverse=True):
            # A directory in which somebody else has put something meanwhile stays.
            with contextlib.suppress(ToolError):
                self._files.put(self._files.place(os.fspath(path), path), State(kind="missing"))


def _carry_out(action: Action, done: _Done) -> None:
    if action.content is None:
        _delete(action, done, "Failed to delete file")
        return
    before = action.before if action.target is None else action.target_before
    assert before is not None
    # A moved file keeps its permissions; an edited one keeps them anyway.
    mode = action.before.mode if action.kind == "move" else None
    place = action.destination
    try:
        done.write(place, before, action.content, create_dirs=action.kind != "modify", mode=mode)
    except ToolError as error:
        raise _named(error, "Failed to write file", place) from error
    if action.target is not None:
        _delete(action, done, "Failed to remove original")


def _delete(action: Action, done: _Done, failing: str) -> None:
    try:
        done.delete(action.source, action.before)
    except ToolError as error:
        raise _named(error, failing, action.source) from error


def _named(error: ToolError, what: str, place: Place) -> ToolError:
    return failed(f"{what} {place.spelt}", error.code, path=place.spelt, cause=error.message)


def _failure(error: ToolError, left: list[str], *, undone: bool) -> ToolError:
    if left:
        outcome = f"could not be put back: {', '.join(left)}"
    else:
        outcome = "nothing is changed: what had been applied was put back" if undone else "nothing is changed"
    details = error.details | ({"left": left} if left else {})
    return ToolError(f"{error.message} ({outcome})", tool="applyPatch", code=error.code, details=details)
