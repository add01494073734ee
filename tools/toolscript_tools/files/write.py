"""Decides what writeFile takes, shows before it happens, and returns."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import Literal

from pydantic import AliasChoices, Field

from toolscript import units
from toolscript.errors import ToolError
from toolscript.registry.classification import Classification, Effect, PathEffect
from toolscript.registry.context import ToolContext
from toolscript.registry.files import Change, Place
from toolscript.registry.shape import Shape
from toolscript.registry.tool import ToolModel, ToolSpec
from toolscript_tools.files.diff import unified
from toolscript_tools.files.effects import display, in_thread, invalid, naming, place_of


class WriteFileInput(ToolModel):
    """What to write where."""

    path: str = Field(
        validation_alias=AliasChoices("path", "filePath", "file_path"),
        description="relative to the working directory, or absolute",
    )
    content: str = Field(description="the whole new content")
    create_dirs: bool = Field(False, description="make missing directories")
    encoding: Literal["utf-8", "base64"] = Field("utf-8", description="base64: content holds bytes in base64")


class WriteFileOutput(ToolModel):
    """What was written."""

    path: str
    size: int = Field(description="bytes written")
    created: bool = Field(description="whether the file is new")


class WriteFile:
    """Replaces or creates one file, wholly or not at all."""

    spec = ToolSpec(
        name="writeFile",
        doc="Replace or create a file: atomically, keeping its mode. The file holds exactly the content given.",
        effect=Effect.WRITE,
        through_files=True,
        input=Shape.of(WriteFileInput),
        output=Shape.of(WriteFileOutput),
        positional=("path", "content"),
        flat=True,
        examples=('await writeFile("src/a.ts", text);',),
    )

    async def classify(self, arguments: WriteFileInput, context: ToolContext) -> Classification:
        """Say which path would change, with its digest now and the difference."""
        data = _bytes(arguments)
        place = await place_of(context, arguments.path)
        before = await in_thread(context.files.state, place, content=True)
        exists = before.kind != "missing"
        keepable = before.kind != "file" or before.data is not None
        shown = display(place.path, context.cwd)
        return Classification(
            effect=Effect.WRITE,
            paths=(
                PathEffect(
                    path=place.path,
                    kind="modify" if exists else "add",
                    inside=place.inside,
                    before=before.digest,
                    after=hashlib.sha256(data).hexdigest(),
                    protected=place.protected,
                ),
            ),
            summary=f"{'replace' if exists else 'create'} {shown} ({units.size(len(data))})",
            diff=await in_thread(unified, shown, before.data if exists else None, data) if keepable else None,
            reasons=tuple(_reasons(place, keepable)),
            undoable=keepable,
            remember=os.fspath(place.path),
        )

    async def call(self, arguments: WriteFileInput, context: ToolContext) -> WriteFileOutput:
        """Write. Raises ToolError ``not_found`` for a missing directory, ``is_directory``, ``changed`` …"""
        data = _bytes(arguments)
        with naming("writeFile", "failed to write file"):
            place = await place_of(context, arguments.path)
            change = await in_thread(_write, context, place, data, arguments.create_dirs)
        return WriteFileOutput(
            path=display(place.path, context.cwd), size=len(data), created=change.before.kind == "missing"
        )

    def render(self, arguments: WriteFileInput, output: WriteFileOutput) -> str:
        """Return one sentence."""
        return f"{'Created' if output.created else 'Replaced'} {output.path} ({units.size(output.size)})."


def _write(context: ToolContext, place: Place, data: bytes, create_dirs: bool) -> Change:
    with context.files.locked(place):
        try:
            return context.files.write(place, data, create_dirs=create_dirs)
        except ToolError as error:
            if error.code != "not_found" or create_dirs:
                raise
            hint = f"{error.message}; createDirs: true makes the directories"
            raise ToolError(hint, code="not_found", details=error.details) from error


def _bytes(arguments: WriteFileInput) -> bytes:
    try:
        if arguments.encoding == "base64":
            return base64.b64decode(arguments.content, validate=True)
        return arguments.content.encode()
    except UnicodeEncodeError:
        raise invalid("writeFile", "content", "content holds half of a surrogate pair, which no text has") from None
    except ValueError:  # binascii.Error is one
        raise invalid("writeFile", "content", "content is not base64") from None


def _reasons(place: Place, keepable: bool) -> list[str]:
    reasons = []
    if not place.inside:
        reasons.append("the path leads outside the workspace")
    if place.protected:
        reasons.append("the path is protected")
    if not keepable:
        reasons.append("the file is too large to be kept: cannot be undone")
    return reasons
