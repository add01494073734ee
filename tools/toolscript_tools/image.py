"""Decides what viewImage takes, returns and shows."""

from __future__ import annotations

import base64
from typing import Literal

from pydantic import AliasChoices, Field

from toolscript import units
from toolscript.errors import OutputTooLarge, ToolError
from toolscript.registry.classification import Classification, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.files import Place
from toolscript.registry.shape import Shape
from toolscript.registry.tool import Tool, ToolModel, ToolSpec
from toolscript_tools.files.effects import classify_read, in_thread, place_of
from toolscript_tools.image_data import Image, image_of


class ViewImageInput(ToolModel):
    """Which image."""

    path: str = Field(
        validation_alias=AliasChoices("path", "imagePath", "image_path"),
        description="relative to the working directory, or absolute",
    )
    detail: Literal["high", "original"] = Field("high", description="how closely a model should look")


MAX_BYTES = 3_750_000
"""Bytes of an image; the strictest of the providers takes so many, as base64. Nothing here makes images smaller."""


class ViewImageOutput(ToolModel):
    """The image: as a data URL, or under a handle where it is larger than one result may be.

    In a script's result both are shown to the model as an image.
    """

    image_url: str | None = Field(default=None, description="data:image/…;base64,…; left out for a large image")
    type: Literal["image"] | None = Field(default=None, description="given with handle")
    handle: str | None = Field(default=None, description="of a large image; return this object to show it")
    mime_type: str
    bytes: int
    detail: Literal["high", "original"]
    width: int
    height: int


class ViewImage:
    """Reads an image for a model or a page to look at; it is checked, never decoded."""

    spec = ToolSpec(
        name="viewImage",
        doc="Read an image file (PNG, JPEG, GIF, WebP) of up to 3.75 MB, to be looked at: a script returns what it "
        "gets here, and the model sees the image.",
        effect=Effect.READ,
        input=Shape.of(ViewImageInput),
        output=Shape.of(ViewImageOutput),
        positional=("path",),
        flat=True,
        examples=('return await viewImage("plot.png");',),
    )

    async def classify(self, arguments: ViewImageInput, context: ToolContext) -> Classification:
        """Say which file would be read."""
        return await classify_read(context, arguments.path, "view")

    async def call(self, arguments: ViewImageInput, context: ToolContext) -> ViewImageOutput:
        """Return the image. Raises ToolError ``not_found``, ``not_a_file``, ``bad_image``, OutputTooLarge."""
        place = await place_of(context, arguments.path)
        data = await in_thread(_content, arguments.path, context, place)
        found = image_of(data)
        if found is None:
            raise _failed("unable to process image: invalid or unsupported image data", "bad_image")
        return _output(found, data, arguments.detail, context)

    def render(self, arguments: ViewImageInput, output: ViewImageOutput) -> str:
        """Return what the image is; the image itself goes beside the text."""
        return f"{arguments.path}: {output.mime_type}, {output.width} × {output.height}"


def tools() -> list[Tool]:
    """Return the tools of this module."""
    return [ViewImage()]


def _output(found: Image, data: bytes, detail: Literal["high", "original"], context: ToolContext) -> ViewImageOutput:
    kind = f"image/{found.kind}"
    url = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    large = len(url) > context.max_output_bytes
    return ViewImageOutput(
        image_url=None if large else url, type="image" if large else None,
        handle=context.outputs.keep(data) if large else None,
        mime_type=kind, bytes=len(data), detail=detail, width=found.width, height=found.height,
    )  # fmt: skip


def _content(path: str, context: ToolContext, place: Place) -> bytes:
    try:
        with context.files.open(place) as file:
            data = file.read(MAX_BYTES + 1)
    except ToolError as error:
        raise _explained(path, error) from error
    if len(data) > MAX_BYTES:
        raise OutputTooLarge(
            f"the image has more than {units.size(MAX_BYTES)}; make a smaller copy and view that",
            tool="viewImage",
            details={"limit": MAX_BYTES},
        )
    return data


def _explained(path: str, error: ToolError) -> ToolError:
    reason = error.details.get("reason", error.message)
    match error.code:
        case "not_found" | "not_a_directory":
            return _failed(f"unable to locate image at `{path}`: {reason}", "not_found")
        case "is_directory" | "not_a_file":
            return _failed(f"image path `{path}` is not a file", error.code)
        case "outside_workspace" | "protected":
            return error
        case _:
            return _failed(f"unable to read image at `{path}`: {reason}", error.code)


def _failed(message: str, code: str) -> ToolError:
    return ToolError(message, tool="viewImage", code=code)
