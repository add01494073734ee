"""Decides how a patch becomes a tool call: what is asked beforehand, what is done, what is reported."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import anyio.from_thread
import anyio.to_thread
from pydantic import Field

from toolscript.registry.classification import Classification, Effect, PathEffect
from toolscript.registry.context import ToolContext
from toolscript.registry.files import Place, State
from toolscript.registry.shape import Shape
from toolscript.registry.tool import OPENAI, Tool, ToolModel, ToolSpec
from toolscript_tools.patch.apply import apply
from toolscript_tools.patch.failures import InvalidPatch, failed, verification_failed
from toolscript_tools.patch.model import Patch
from toolscript_tools.patch.outcome import Applied, applied, diff_of, marks, summary
from toolscript_tools.patch.parse import parse
from toolscript_tools.patch.verify import Action, places, verify

Written = Literal["add", "modify", "delete", "move"]

UNDOABLE_BYTES = 64 * 1024 * 1024

_EXAMPLE = """applyPatch(`*** Begin Patch
*** Update File: src/app.ts
@@ function main() {
-  start();
+  await start();
*** End Patch`)"""


class PatchInput(ToolModel):
    """The arguments of applyPatch."""

    patch: str = Field(description="The patch, from `*** Begin Patch` to `*** End Patch`")


@dataclass(frozen=True, slots=True)
class ApplyPatch:
    """Edits, creates, moves and deletes files by one patch, all of it or nothing.

    Matched context keeps its bytes and new lines take the file's line ending, unless ``legacy``.
    """

    legacy: bool = False

    @property
    def spec(self) -> ToolSpec:
        """The declaration."""
        return SPEC

    async def classify(self, arguments: PatchInput, context: ToolContext) -> Classification:
        """Work the patch out against the files as they are; raises ToolError where it does not fit."""
        return await classify_text(arguments.patch, context, context.cwd, legacy=self.legacy)

    async def call(self, arguments: PatchInput, context: ToolContext) -> Applied:
        """Work the patch out again under the files' locks, and write."""
        return await apply_text(arguments.patch, context, context.cwd, legacy=self.legacy)

    def render(self, arguments: PatchInput, output: Applied) -> str:
        """Return the list of files that models know."""
        return summary_text(arguments.patch)


SPEC = ToolSpec(
    packs=OPENAI,
    name="applyPatch",
    doc="Edit, create, move and delete files by one patch; everything is checked first, and all of it or nothing is "
    "done. Sections: `*** Add File: path` (lines start with +), `*** Delete File: path`, `*** Update File: path` "
    "(optionally `*** Move to: path`, then chunks: `@@ a line before`, context lines with a blank in front, - and + "
    "lines; `*** End of File` ties a chunk to the end).",
    effect=Effect.WRITE,
    through_files=True,
    input=Shape.of(PatchInput),
    output=Shape.of(Applied),
    positional=("patch",),
    flat=True,
    examples=(_EXAMPLE,),
)


def tools(*, legacy: bool = False) -> list[Tool]:
    """Return the patch tool."""
    return [ApplyPatch(legacy)]


async def classify_text(patch: str, context: ToolContext, cwd: Path, *, legacy: bool = False) -> Classification:
    """Return what the patch would do with paths relative to ``cwd``; changes nothing. Raises ToolError."""
    return await anyio.to_thread.run_sync(partial(_classified, patch, context, cwd, legacy))


async def apply_text(patch: str, context: ToolContext, cwd: Path, *, legacy: bool = False) -> Applied:
    """Apply the patch with paths relative to ``cwd`` and return what was done. Raises ToolError, then nothing is."""
    return await anyio.to_thread.run_sync(partial(_applied, patch, context, cwd, legacy))


def refuse_uncalled(text: str) -> None:
    """Raise ToolError if the text of a command is nothing but a patch, which no shell could run."""
    try:
        parse(text)
    except InvalidPatch:
        return
    message = 'patch detected without explicit call to apply_patch. Rerun as ["apply_patch", "<patch>"]'
    raise verification_failed(failed(message, "uncalled_patch"))


def summary_text(patch: str) -> str:
    """Return the text that a model sees once this patch was applied."""
    return summary(marks(parse(patch).hunks))


def _applied(text: str, context: ToolContext, cwd: Path, legacy: bool) -> Applied:
    files = context.files
    patch = _parsed(text)
    with files.locked(*places(patch, files, cwd)):
        actions = verify(patch, files, cwd, legacy=legacy)
        apply(actions, files, checkpoint=anyio.from_thread.check_cancelled)
    return applied(actions, *_bounded(diff_of(actions), context))


def _classified(text: str, context: ToolContext, cwd: Path, legacy: bool) -> Classification:
    patch = _parsed(text)
    actions = verify(patch, context.files, cwd, legacy=legacy)
    listed = ", ".join(f"{mark} {path}" for mark, path in marks(patch.hunks))
    effects = [effect for action in actions for effect in _effects(action)]
    return Classification(
        effect=Effect.WRITE,
        paths=tuple(effects),
        summary=f"apply a patch: {listed}",
        diff=diff_of(actions),
        undoable=sum(len(action.before.data or b"") for action in actions) <= UNDOABLE_BYTES,
        remember="\n".join(sorted(os.fspath(path) for path in {effect.path for effect in effects})),
    )


def _parsed(text: str) -> Patch:
    try:
        return parse(text)
    except InvalidPatch as error:
        raise verification_failed(error) from None


def _effects(action: Action) -> list[PathEffect]:
    if action.target is None or action.target_before is None:
        overwrites = action.kind == "add" and action.before.kind != "missing"
        return [_effect("modify" if overwrites else action.kind, action.source, action.before, action.content)]
    written: Written = "add" if action.target_before.kind == "missing" else "modify"
    return [
        _effect("move", action.source, action.before, None),
        _effect(written, action.target, action.target_before, action.content),
    ]


def _effect(kind: Written, place: Place, before: State, content: bytes | None) -> PathEffect:
    return PathEffect(
        path=place.path, kind=kind, inside=place.inside, before=before.digest, protected=place.protected,
        after=None if content is None else hashlib.sha256(content).hexdigest(),
    )  # fmt: skip


def _bounded(diff: str, context: ToolContext) -> tuple[str, str | None]:
    """Return the diff, cut to a quarter of what one output may carry, and the handle to all of it if it was cut."""
    data = diff.encode()
    room = context.max_output_bytes // 4
    if len(data) <= room:
        return diff, None
    head = data[:room].decode(errors="ignore")
    return f"{head}\n[diff cut after {room} of {len(data)} bytes]\n", context.outputs.keep(data)
