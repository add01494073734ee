"""Decides how verified actions reach the files: in order, and all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from toolscript.errors import ToolError
from toolscript.registry.files import Files, Place, State
from toolscript_tools.patch.failures import failed
from toolscript_tools.patch.verify import Action


def apply(actions: Sequence[Action], files: Files, *, checkpoint: Callable[[], None] = lambda: None) -> None:
    """Carry the actions out. ``checkpoint`` is called before each and may raise to stop.

    If anything fails, what was done is put back before the error goes on; a ToolError then says so, and names in
    ``details.left`` what could not be put back.
    """
    done: list[tuple[Place, State]] = []
    try:
        for action in actions:
            checkpoint()
            _carry_out(action, files, done)
    except ToolError as error:
        left = _put_back(done, files)
        raise _failure(error, left, undone=bool(done)) from error
    except BaseException:
        _put_back(done, files)
        raise


def _carry_out(action: Action, files: Files, done: list[tuple[Place, State]]) -> None:
    if action.content is None:
        _delete(action, files, done, "Failed to delete file")
        return
    before = action.before if action.target is None else action.target_before
    assert before is not None
    done.append((action.destination, before))
    try:
        # A moved file keeps its permissions; an edited one keeps them anyway.
        mode = action.before.mode if action.kind == "move" else None
        files.write(action.destination, action.content, create_dirs=action.kind != "modify", mode=mode)
    except ToolError as error:
        raise _named(error, "Failed to write file", action.destination) from error
    if action.target is not None:
        _delete(action, files, done, "Failed to remove original")


def _delete(action: Action, files: Files, done: list[tuple[Place, State]], failing: str) -> None:
    done.append((action.source, action.before))
    try:
        files.delete(action.source)
    except ToolError as error:
        raise _named(error, failing, action.source) from error


def _named(error: ToolError, what: str, place: Place) -> ToolError:
    return failed(f"{what} {place.spelt}", error.code, path=place.spelt, cause=error.message)


def _put_back(done: Sequence[tuple[Place, State]], files: Files) -> list[str]:
    left = []
    for place, before in reversed(done):
        try:
            _restore(place, before, files)
        except ToolError:
            left.append(place.spelt)
    return left


def _restore(place: Place, before: State, files: Files) -> None:
    now = files.state(place)
    if now.kind == before.kind and now.digest == before.digest:
        return
    if before.kind == "missing":
        files.delete(place)
    else:
        files.write(place, before.data or b"", create_dirs=True, mode=before.mode)


def _failure(error: ToolError, left: list[str], *, undone: bool) -> ToolError:
    if left:
        outcome = f"could not be put back: {', '.join(left)}"
    else:
        outcome = "nothing is changed: what had been applied was put back" if undone else "nothing is changed"
    details = error.details | ({"left": left} if left else {})
    return ToolError(f"{error.message} ({outcome})", tool="applyPatch", code=error.code, details=details)
