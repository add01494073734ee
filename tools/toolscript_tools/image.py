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
from toolscript_tools.image_data import image_of


class ViewImageInput(ToolModel):
    """Which image."""

    path: str = Field(
        validation_alias=AliasChoices("path", "imagePath", "image_path"),
        description="relative to the working directory, or absolute",
    )
    detail: Literal["high", "original"] = Field("high", description="how closely a model should look")


class ViewImageOutput(ToolModel):
    """The image as a data URL."""

    image_url: str = Field(description="data:image/…;base64,…")
    detail: Literal["high", "original"]
    width: int
    height: int


class ViewImage:
    """Reads an image for a model or a page to look at; it is checked, never decoded."""

    spec = ToolSpec(
        name="viewImage",
        doc="Read an image file (PNG, JPEG, GIF, WebP) and return it as a data URL.",
        effect=Effect.READ,
        input=Shape.of(ViewImageInput),
        output=Shape.of(ViewImageOutput),
        positional=("path",),
        flat=True,
        examples=('const { imageUrl } = await viewImage("plot.png");',),
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
        url = f"data:image/{found.kind};base64,{base64.b64encode(data).decode()}"
        return ViewImageOutput(image_url=url, detail=arguments.detail, width=found.width, height=found.height)

    def render(self, arguments: ViewImageInput, output: ViewImageOutput) -> str:
        """Return what the image is; the image itself goes beside the text."""
        kind = output.image_url.partition(";")[0].removeprefix("data:")
        return f"{arguments.path}: {kind}, {output.width} × {output.height}"


def tools() -> list[Tool]:
    """Return the tools of this module."""
    return [ViewImage()]


def _content(path: str, context: ToolContext, place: Place) -> bytes:
    cap = context.max_output_bytes // 4 * 3 - 256
    try:
        with context.files.open(place) as file:
            data = file.read(cap + 1)
    except ToolError as error:
        raise _explained(path, error) from error
    if len(data) > cap:
        raise OutputTooLarge(
            f"the image has more than {units.size(cap)}; make a smaller copy and view that",
            tool="viewImage",
            details={"limit": context.max_output_bytes},
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
