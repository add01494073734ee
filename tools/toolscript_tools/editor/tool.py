"""Decides how the editor's commands become tool calls: what is asked, what is written, what can be undone."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import anyio.to_thread

from toolscript import units
from toolscript.errors import OutputTooLarge, ToolError
from toolscript.registry.classification import Classification, Danger, Effect, PathEffect
from toolscript.registry.context import ToolContext
from toolscript.registry.shape import Shape
from toolscript.registry.tool import ANTHROPIC, Tool, ToolSpec
from toolscript_tools.editor import messages
from toolscript_tools.editor.history import History, Step
from toolscript_tools.editor.model import EditorInput, EditorOutput
from toolscript_tools.editor.work import Work, failing, work_out

SPEC = ToolSpec(
    packs=ANTHROPIC,
    name="strReplaceEditor",
    doc="View, create and edit files by exact text. Commands: view (a file, or a directory two levels deep), create "
    "(a file that does not exist yet), str_replace (old_str must occur exactly once), insert (lines after "
    "insert_line), undo_edit (takes back the last edit of the file in this conversation).",
    effect=Effect.WRITE,
    through_files=True,
    input=Shape.of(EditorInput),
    output=Shape.of(EditorOutput),
    flat=True,
    examples=('strReplaceEditor({command: "str_replace", path: "src/a.ts", oldStr: "let", newStr: "const"})',),
)


@dataclass(frozen=True, slots=True)
class StrReplaceEditor:
    """Edits files by exact text and remembers, for each conversation, what to put back.

    ``clip`` is the number of characters that a structured call shows at most, None for all.
    """

    clip: int | None = messages.CLIP
    history: History = field(default_factory=History)

    @property
    def spec(self) -> ToolSpec:
        """The declaration."""
        return SPEC

    async def classify(self, arguments: EditorInput, context: ToolContext) -> Classification:
        """Work the command out against the files as they are; raises ToolError where it cannot be done."""
        work = await anyio.to_thread.run_sync(partial(work_out, arguments, context, self.history, looking=False))
        return _classified(arguments, work)

    async def call(self, arguments: EditorInput, context: ToolContext) -> EditorOutput:
        """Do it, working it out again under the file's lock."""
        return await anyio.to_thread.run_sync(partial(self._done, arguments, context))

    def render(self, arguments: EditorInput, output: EditorOutput) -> str:
        """Return the text that models were trained on."""
        path, content, clip = output.path, output.content or "", self.clip
        match arguments.command:
            case "create":
                return messages.created(path)
            case "str_replace":
                return messages.replaced(path, content, output.first_line or 1, clip)
            case "insert":
                return messages.inserted(path, content, output.first_line or 1, clip)
            case "undo_edit":
                return messages.undone(path, output.content, clip)
            case _ if output.entries is not None:
                return messages.listed(path, output.entries, clip)
            case _:
                return messages.numbered(content, path, output.first_line or 1, clip)

    def _done(self, arguments: EditorInput, context: ToolContext) -> EditorOutput:
        if arguments.command == "view":
            return _small_enough(work_out(arguments, context, self.history).output, context)
        with context.files.locked(context.files.place(arguments.path, context.cwd)):
            work = work_out(arguments, context, self.history)
            self._write(work, context)
        return _without_excess(work.output, context)

    def _write(self, work: Work, context: ToolContext) -> None:
        try:
            if work.content is None:
                context.files.delete(work.place)
            else:
                context.files.write(work.place, work.content, create_dirs=True)
        except ToolError as error:
            raise failing(error, "write to", work.output.path) from error
        if work.undoes is not None:
            self.history.drop(work.undoes)
            return
        after = context.files.state(work.place).digest
        before = work.before.data if work.before.kind == "file" else None
        self.history.push(
            Step(conversation=context.conversation_id, path=work.place.path, before=before, after=after)
        )  # fmt: skip


def tools(*, clip: int | None = messages.CLIP) -> list[Tool]:
    """Return the editor, with an empty history."""
    return [StrReplaceEditor(clip)]


def _classified(arguments: EditorInput, work: Work) -> Classification:
    kind: Literal["read", "add", "modify", "delete"] = "read"
    if work.writes:
        kind = "delete" if work.content is None else "add" if work.before.kind == "missing" else "modify"
    touched = PathEffect(
        path=work.place.path,
        kind=kind,
        inside=work.place.inside,
        before=work.before.digest,
        after=_after(work),
        protected=work.place.protected,
    )
    return Classification(
        effect=Effect.WRITE if work.writes else Effect.READ,
        danger=Danger.ORDINARY if work.writes else Danger.KNOWN_SAFE,
        paths=(touched,),
        summary=f"{arguments.command} {arguments.path}",
        diff=work.output.diff,
        remember=f"{'write' if work.writes else 'view'} {os.fspath(work.place.path)}",
    )


def _after(work: Work) -> str | None:
    if not work.writes:
        return work.before.digest
    return None if work.content is None else hashlib.sha256(work.content).hexdigest()


def _small_enough(output: EditorOutput, context: ToolContext) -> EditorOutput:
    size = len((output.content or "").encode()) + sum(len(entry.encode()) + 3 for entry in output.entries or ())
    if size > context.max_output_bytes:
        raise OutputTooLarge(
            f"{output.path} has {units.size(size)} to show, {units.size(context.max_output_bytes)} at most fit one "
            "result: read it in parts with view_range",
            tool="strReplaceEditor",
            details={"bytes": size},
        )
    return output


def _without_excess(output: EditorOutput, context: ToolContext) -> EditorOutput:
    """Return the output of a change that is done, cut where it is too long: it must not fail any more."""
    room = context.max_output_bytes // 4
    cut = {
        name: f"{text.encode()[:room].decode(errors='ignore')}\n[cut after {room} bytes]\n"
        for name, text in (("content", output.content), ("diff", output.diff))
        if text is not None and len(text.encode()) > room
    }
    return output.model_copy(update=cut)
