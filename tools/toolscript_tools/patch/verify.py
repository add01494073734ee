"""Decides, before anything is written, what exactly a patch would do to each file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from toolscript.errors import ToolError
from toolscript.registry.files import Files, Place, State
from toolscript_tools.files.effects import check_editable
from toolscript_tools.patch.edits import Edit
from toolscript_tools.patch.failures import InvalidPatch, failed, verification_failed
from toolscript_tools.patch.model import AddFile, DeleteFile, Hunk, Patch, UpdateFile
from toolscript_tools.patch.paths import absolute
from toolscript_tools.patch.update import update, update_legacy

_SYSTEM_TEXTS = {
    "not_found": "No such file or directory (os error 2)",
    "permission_denied": "Permission denied (os error 13)",
    "not_a_directory": "Not a directory (os error 20)",
    "is_directory": "Is a directory (os error 21)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One hunk, worked out: ``source`` and ``target`` differ when it moves; ``content`` None means deletion.

    ``before`` and ``target_before`` carry the bytes that were read. ``edits`` lead from the old lines to the new,
    where they are known.
    """

    kind: Literal["add", "modify", "delete", "move"]
    path: str
    source: Place
    before: State
    content: bytes | None
    to: str | None = None
    target: Place | None = None
    target_before: State | None = None
    edits: tuple[Edit, ...] | None = None

    @property
    def destination(self) -> Place:
        """The place that is written."""
        return self.target or self.source


def places(patch: Patch, files: Files, cwd: Path) -> list[Place]:
    """Return every place that the patch names, sources and destinations, each once."""
    spelt = [path for hunk in patch.hunks for path in _named(hunk)]
    found = {place.path: place for place in (files.place(absolute(path, cwd), cwd) for path in spelt)}
    return list(found.values())


def verify(patch: Patch, files: Files, cwd: Path, *, legacy: bool = False) -> tuple[Action, ...]:
    """Return what each hunk would do, changing nothing.

    Raises ToolError with the text that models know, starting ``apply_patch verification failed: `` unless the patch
    is empty.
    """
    if not patch.hunks:
        raise failed("patch rejected: empty patch", "empty_patch")
    try:
        if patch.environment_id is not None:
            raise InvalidPatch(f"there is no environment '{patch.environment_id}' here; leave the line out")
        verifier = _Verifier(files, cwd, legacy)
        return tuple(verifier.action(hunk) for hunk in patch.hunks)
    except ToolError as error:
        raise verification_failed(error) from None


def system_text(error: ToolError) -> str:
    """Return the operating system's wording for a failure of the files, as models have seen it."""
    return _SYSTEM_TEXTS.get(error.code, error.message)


class _Verifier:
    def __init__(self, files: Files, cwd: Path, legacy: bool) -> None:
        self._files = files
        self._cwd = cwd
        self._legacy = legacy
        self._taken: set[str] = set()

    def action(self, hunk: Hunk) -> Action:
        place, name = self._claim(hunk.path)
        match hunk:
            case AddFile():
                return self._add(hunk, place, name)
            case DeleteFile():
                return self._delete(hunk, place, name)
            case UpdateFile():
                return self._update(hunk, place, name)

    def _claim(self, path: str) -> tuple[Place, str]:
        # Two spellings, or a link and its target, are one file: a second change would not see the first.
        name = absolute(path, self._cwd)
        place = self._files.place(name, self._cwd)
        keys = {name, os.fspath(place.path)}
        if keys & self._taken:
            raise InvalidPatch(f"multiple operations target {name}")
        self._taken |= keys
        return place, name

    def _add(self, hunk: AddFile, place: Place, name: str) -> Action:
        before = self._overwritten(place, name)
        return Action(kind="add", path=hunk.path, source=place, before=before, content=hunk.content.encode())

    def _delete(self, hunk: DeleteFile, place: Place, name: str) -> Action:
        # What a link leads to says whether it may go; the link itself is what goes.
        before = self._state(place, f"Failed to read {name}: ")
        link = self._files.place(name, self._cwd, follow=False)
        if link.kind == "symlink":
            place, before = link, self._files.state(link, content=True)
        return Action(kind="delete", path=hunk.path, source=place, before=before, content=None)

    def _update(self, hunk: UpdateFile, place: Place, name: str) -> Action:
        before = self._state(place, f"Failed to read file to update {name}: ")
        content, edits = self._updated(hunk, before.data or b"", name)
        kind: Literal["modify", "move"] = "modify"
        to = target = target_before = None
        if hunk.move_to is not None and absolute(hunk.move_to, self._cwd) != name:
            kind, to = "move", hunk.move_to
            target, target_name = self._claim(hunk.move_to)
            target_before = self._overwritten(target, target_name)
        return Action(
            kind=kind, path=hunk.path, source=place, before=before, content=content,
            to=to, target=target, target_before=target_before, edits=edits,
        )  # fmt: skip

    def _updated(self, hunk: UpdateFile, old: bytes, name: str) -> tuple[bytes, tuple[Edit, ...] | None]:
        if not is_utf8(old):
            message = f"Failed to read file to update {name}: stream did not contain valid UTF-8"
            raise failed(message, "not_utf8", path=name)
        if self._legacy:
            return update_legacy(old, hunk.chunks, name), None
        updated = update(old, hunk.chunks, name)
        return updated.content, updated.edits

    def _state(self, place: Place, prefix: str) -> State:
        try:
            state = self._whole(place)
            if state.kind == "missing":
                above = self._files.place(os.fspath(place.path.parent), self._cwd).kind
                raise ToolError("missing", code="not_a_directory" if above in ("file", "other") else "not_found")
            if state.kind == "directory":
                raise ToolError("a directory", code="is_directory")
            if state.kind == "other":
                raise ToolError("not a regular file", code="not_a_file")
        except ToolError as error:
            raise failed(f"{prefix}{system_text(error)}", error.code, path=place.spelt) from None
        return state

    def _overwritten(self, place: Place, name: str) -> State:
        state = self._whole(place)
        if state.kind in ("directory", "other"):
            code = "is_directory" if state.kind == "directory" else "not_a_file"
            raise failed(f"Failed to write file {name}", code, path=name)
        return state

    def _whole(self, place: Place) -> State:
        check_editable(self._files, place)
        # Large files come without their bytes; putting back needs them all the same.
        state = self._files.state(place, content=True)
        if state.kind == "file" and state.data is None:
            return replace(state, data=self._files.read(place))
        return state


def is_utf8(content: bytes) -> bool:
    """Say whether the content is text."""
    if content.isascii():
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _named(hunk: Hunk) -> Sequence[str]:
    if isinstance(hunk, UpdateFile) and hunk.move_to is not None:
        return (hunk.path, hunk.move_to)
    return (hunk.path,)
