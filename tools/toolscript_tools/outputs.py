"""Decides what readOutput takes and returns: the full value behind a truncated output, in parts."""

from __future__ import annotations

from pydantic import Field

from toolscript.errors import OutputTooLarge
from toolscript.registry.classification import Classification, Danger, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.shape import Shape
from toolscript.registry.tool import Tool, ToolModel, ToolSpec
from toolscript_tools.files.effects import in_thread, invalid


class ReadOutputInput(ToolModel):
    """Which part of which output. An output can be one long line, so parts are counted in characters."""

    handle: str = Field(description="as a truncated output named it")
    offset: int = Field(0, description="characters to pass over", json_schema_extra={"minimum": 0})
    limit: int | None = Field(None, description="how many characters; default: all", json_schema_extra={"minimum": 1})


class ReadOutput:
    """Reads what an earlier output had to leave out."""

    spec = ToolSpec(
        name="readOutput",
        doc="Read the full value behind a truncated output by its handle, or a part of it: `limit` characters from "
        "`offset` on.",
        effect=Effect.READ,
        input=Shape.of(ReadOutputInput),
        output=Shape.of(str),
        positional=("handle", "offset", "limit"),
        flat=True,
        examples=("const rest = await readOutput({handle, offset: 100_000, limit: 50_000});",),
    )

    async def classify(self, arguments: ReadOutputInput, context: ToolContext) -> Classification:
        """Say that nothing but an earlier output is read."""
        _check(arguments)
        return Classification(effect=Effect.READ, danger=Danger.KNOWN_SAFE, summary=f"read output {arguments.handle}")

    async def call(self, arguments: ReadOutputInput, context: ToolContext) -> str:
        """Return the text. Raises ToolError ``not_found`` for a handle that is gone, OutputTooLarge."""
        _check(arguments)
        return await in_thread(_part, arguments, context)

    def render(self, arguments: ReadOutputInput, output: str) -> str:
        """Return the text as it is."""
        return output


def tools() -> list[Tool]:
    """Return the tools of this module."""
    return [ReadOutput()]


def _check(arguments: ReadOutputInput) -> None:
    if arguments.offset < 0:
        raise invalid("readOutput", "offset", "offset must not be negative")
    if arguments.limit is not None and arguments.limit < 1:
        raise invalid("readOutput", "limit", "limit must be greater than zero")


def _part(arguments: ReadOutputInput, context: ToolContext) -> str:
    text = context.outputs.read(arguments.handle).decode("utf-8", "replace")
    if arguments.offset > len(text):
        raise invalid("readOutput", "offset", f"offset exceeds the output's {len(text)} characters")
    end = len(text) if arguments.limit is None else arguments.offset + arguments.limit
    part = text[arguments.offset : end]
    if len(part.encode()) > context.max_output_bytes:
        raise OutputTooLarge(
            f"the output has {len(text)} characters; read it in parts with offset and limit",
            tool="readOutput",
            details={"limit": context.max_output_bytes, "characters": len(text), "arguments": ["offset", "limit"]},
        )
    return part
