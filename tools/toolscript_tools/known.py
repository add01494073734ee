"""Decides how the tools are known before their code is loaded: by what was declared of them ahead.

To build the models of all tools takes longer than all else at a start, and most scripts use two or three of them. So
``declared.json`` says what each tool is, and its code is loaded with its first use. ``python docs/generate.py`` writes
the file from the code, and a test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolscript.errors import Json
from toolscript.registry.context import ToolContext
from toolscript.registry.effects import Effect
from toolscript.registry.shape import Shape
from toolscript.registry.tool import Ask, Tool, ToolSpec

if TYPE_CHECKING:
    from toolscript.registry.classification import Classification

ROOMS = (
    "shell", "files", "search", "image", "patch", "editor", "outputs", "discovery", "subagent",
)  # fmt: skip
"""The modules of this package that hold tools; the order in which they are offered."""
DECLARED = Path(__file__).with_name("declared.json")


@dataclass(slots=True)
class _Room:
    """One module's tools, loaded when the first of them is needed; what they remember, they share."""

    name: str
    loaded: dict[str, Tool] = field(default_factory=dict)

    def tool(self, path: str) -> Any:
        if not self.loaded:
            self.loaded = {tool.spec.path: tool for tool in tools_of(self.name)}
        return self.loaded[path]


class Known:
    """A tool by its declaration; everything else is asked of the tool itself."""

    def __init__(self, room: _Room, declared: dict[str, Json]) -> None:
        self._room = room
        self._declared = declared

    @cached_property
    def spec(self) -> ToolSpec:
        """The declaration."""
        given = self._declared
        return ToolSpec(
            name=given["name"], doc=given["doc"], effect=Effect(given["effect"]), ask=Ask(given["ask"]),
            input=self._shape("input"), output=self._shape("output"),
            namespace=tuple(given["namespace"]), positional=tuple(given["positional"]), flat=given["flat"],
            packs=frozenset(given["packs"]), lazy=given["lazy"], held=given["held"],
            through_files=given["through_files"], examples=tuple(given["examples"]),
        ).known_as(given["digest"])  # fmt: skip

    def _shape(self, part: str) -> Shape:
        return Shape(
            schema=self._declared[part], snake_case=self._declared[f"{part}_structured"],
            check=lambda value: getattr(self.tool.spec, part).check(value),
            dump=lambda value: getattr(self.tool.spec, part).dump(value),
        )  # fmt: skip

    @cached_property
    def tool(self) -> Any:
        """The tool itself."""
        return self._room.tool(self.spec.path)

    async def classify(self, arguments: Any, context: ToolContext) -> Classification:
        """Say what the tool says."""
        seen: Classification = await self.tool.classify(arguments, context)
        return seen

    async def call(self, arguments: Any, context: ToolContext) -> Any:
        """Do what the tool does."""
        return await self.tool.call(arguments, context)

    def render(self, arguments: Any, output: Any) -> str:
        """Return what the tool returns."""
        return str(self.tool.render(arguments, output))


class KnownCommand(Known):
    """A tool that can fail although it resolves, and whose success can be assumed."""

    def failed(self, output: Any) -> bool:
        """Say what the tool says."""
        return bool(self.tool.failed(output))

    def assumed(self, arguments: Any) -> Any:
        """Return what the tool returns."""
        return self.tool.assumed(arguments)


def tools_of(room: str) -> list[Tool]:
    """Return the tools of one module, which is loaded."""
    found: list[Tool] = import_module(f"toolscript_tools.{room}").tools()
    return found


def known_tools() -> list[Tool]:
    """Return every tool as it was declared, none of them loaded."""
    rooms = {name: _Room(name) for name in ROOMS}
    return [
        (KnownCommand if declared["command"] else Known)(rooms[declared["room"]], declared)
        for declared in json.loads(DECLARED.read_bytes())
    ]


def declarations(rooms: Iterable[str] = ROOMS) -> str:
    """Return the text of ``declared.json``, from the tools themselves."""
    found = [_declared(room, tool) for room in rooms for tool in tools_of(room)]
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def _declared(room: str, tool: Tool) -> dict[str, Json]:
    from toolscript.registry.registry import schema_digest

    spec = tool.spec
    return {
        "room": room, "command": hasattr(tool, "failed"), "name": spec.name, "doc": spec.doc,
        "effect": spec.effect.value, "ask": spec.ask.value, "namespace": spec.namespace,
        "positional": spec.positional, "flat": spec.flat, "packs": sorted(spec.packs), "lazy": spec.lazy,
        "held": spec.held, "through_files": spec.through_files, "examples": spec.examples,
        "input": spec.input.schema, "input_structured": spec.input.snake_case,
        "output": spec.output.schema, "output_structured": spec.output.snake_case,
        "digest": schema_digest(tool),
    }  # fmt: skip
