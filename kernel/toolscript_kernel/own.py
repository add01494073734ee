"""Decides which functions of a notebook are tools: those that ``@tool`` made and that still have a name in it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from toolscript.errors import ConfigError

if TYPE_CHECKING:
    from toolscript.registry.function import FunctionTool
    from toolscript.registry.registry import Registry


class OwnTools:
    """Keeps a registry in step with the functions of one namespace."""

    def __init__(self) -> None:
        self._offered: dict[str, FunctionTool] = {}
        self._registry: Registry | None = None

    def offer(self, registry: Registry, namespace: Mapping[str, Any]) -> list[str]:
        """Register what is new, replace what was defined anew, take away what is gone; return what could not be."""
        if registry is not self._registry:
            self._registry, self._offered = registry, {}
        wanted = {tool.spec.path: tool for tool in _tools_in(namespace)}
        for path in self._offered.keys() - wanted.keys():
            registry.remove(path)
            del self._offered[path]
        return [problem for tool in wanted.values() if (problem := self._add(registry, tool))]

    def _add(self, registry: Registry, tool: FunctionTool) -> str:
        path = tool.spec.path
        if self._offered.get(path) is tool:
            return ""
        try:
            registry.add(tool, replace=path in self._offered)
        except ConfigError as error:
            return f"@tool {tool.spec.name}: {error.message}"
        self._offered[path] = tool
        return ""


def _tools_in(namespace: Mapping[str, Any]) -> list[FunctionTool]:
    # Whoever has no such function has not loaded the module either, and need not wait for it.
    if "toolscript.registry.function" not in sys.modules:
        return []
    from toolscript.registry.function import FunctionTool

    # IPython keeps the results of cells under names with an underscore.
    return [v for name, v in tuple(namespace.items()) if isinstance(v, FunctionTool) and not name.startswith("_")]
