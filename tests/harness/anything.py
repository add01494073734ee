"""Tools that take anything and answer as a test says, for scripts that care little for what tools do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from toolscript.errors import ToolError
from toolscript.registry.classification import Classification, Effect
from toolscript.registry.shape import Shape
from toolscript.registry.tool import ToolSpec

_ANY = Shape(schema={}, check=lambda value: value, dump=lambda value: value)


@dataclass(eq=False)
class AnythingTool:
    """Takes every argument, remembers it, and answers with what ``answer`` makes of it; None fails."""

    name: str
    effect: Effect = Effect.READ
    answer: Callable[[Any], Any] = field(default=lambda arguments: arguments)
    heard: list[Any] = field(default_factory=list)

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(name=self.name, doc="Takes anything.", effect=self.effect, input=_ANY, output=_ANY)

    async def classify(self, arguments: Any, context: Any) -> Classification:
        return Classification(effect=self.effect, undoable=False, remember=self.name)

    async def call(self, arguments: Any, context: Any) -> Any:
        self.heard.append(arguments)
        answer = self.answer(arguments)
        if answer is None:
            raise ToolError("no", tool=self.name, code="not_found")
        return answer

    def render(self, arguments: Any, output: Any) -> str:
        return json.dumps(output)
