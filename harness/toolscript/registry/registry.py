"""Decides which tools exist, under which names, and which of them one run may use."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from toolscript.errors import ConfigError, Json, ToolError, UnknownTool

if TYPE_CHECKING:
    from toolscript.registry.tool import Tool, ToolSpec

GROUP = "toolscript.tools"
"""The entry point group in which packages offer a function that returns tools."""

RESERVED = frozenset({"spawn"})
"""First path segments that the facade itself serves."""

FACADE = frozenset({"tools", "context", "params", "store", "console", "sleep", "setTimeout", "clearTimeout"})
"""Globals of scripts, which no flat tool may take."""

UNCALLABLE = frozenset(
    {"__proto__", "catch", "constructor", "finally", "prototype", "then", "toJSON", "toString", "valueOf"}
)
"""Names by which the language itself takes an object for something else."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_NAMESPACE = re.compile(r"[A-Za-z0-9_]+\Z")
LONGEST_WIRE_NAME = 64
"""Characters that providers allow in the name of a structured call."""


class Registry:
    """The tools of one harness by their facade path; listeners hear of every change."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self._wire: dict[str, str] = {}
        self._listeners: list[Callable[[], None]] = []
        self._reasons: list[Callable[[str], ToolError | None]] = []
        for tool in tools:
            self.add(tool)

    def __iter__(self) -> Iterator[Tool]:
        return iter(tuple(self._tools.values()))

    def __contains__(self, path: str) -> bool:
        return path in self._tools

    def __len__(self) -> int:
        return len(self._tools)

    def add(self, tool: Tool, *, replace: bool = False) -> None:
        """Register a tool.

        Raises ConfigError when its path or wire name is taken (unless ``replace``), lies above or below another
        tool's, or is none that scripts, declarations and providers can all use.
        """
        path, wire = tool.spec.path, tool.spec.wire_name
        _check_names(tool.spec)
        for other in self._tools:
            if path.startswith(f"{other}.") or other.startswith(f"{path}."):
                raise ConfigError(f"tools {path!r} and {other!r} cannot both be: one name leads through the other")
        owner = self._wire.get(wire)
        if (path in self._tools or owner is not None) and not (replace and owner in (None, path)):
            raise ConfigError(f"tool {path!r} ({wire}) is registered twice")
        self._tools[path] = tool
        self._wire[wire] = path
        self._changed()

    def remove(self, path: str) -> None:
        """Take a tool away; unknown paths are ignored."""
        tool = self._tools.pop(path, None)
        if tool is not None:
            del self._wire[tool.spec.wire_name]
            self._changed()

    def get(self, path: str) -> Tool:
        """Return the tool of this facade path. Raises UnknownTool with near names, or why a served one is not there."""
        if (tool := self._tools.get(path)) is None:
            self._explain(path)
            raise UnknownTool(path, _near(path, self._tools))
        return tool

    def by_wire_name(self, name: str) -> Tool:
        """Return the tool of a structured call's name. Raises UnknownTool with near names, as :meth:`get` does."""
        if (path := self._wire.get(name)) is None:
            self._explain(name.replace("__", ".", 2))
            raise UnknownTool(name, _near(name, self._wire))
        return self._tools[path]

    def select(self, *, pack: str | None = None, allowed: Iterable[str] | None = None) -> tuple[Tool, ...]:
        """Return the tools of a pack, narrowed to the allowed ones, by path.

        ``allowed`` holds paths or patterns with a final ``*`` (``mcp.git.*``).
        """
        chosen = [t for t in self._tools.values() if not t.spec.packs or pack is None or pack in t.spec.packs]
        if allowed is not None:
            patterns = tuple(allowed)
            chosen = [t for t in chosen if any(matches(t.spec.path, p) for p in patterns)]
        return tuple(sorted(chosen, key=lambda t: t.spec.path))

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each change: caches of what is generated from the registry drop then."""
        self._listeners.append(listener)

    def explain(self, reason: Callable[[str], ToolError | None]) -> None:
        """Ask ``reason`` about paths that no tool has: it returns why one that should be there is not, else None."""
        self._reasons.append(reason)

    def _explain(self, path: str) -> None:
        for reason in self._reasons:
            if (error := reason(path)) is not None:
                raise error

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


def _near(name: str, names: Iterable[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(name, [*names], n=3)


def _check_names(spec: ToolSpec) -> None:
    path, first = spec.path, spec.path.split(".")[0]
    if first in RESERVED:
        raise ConfigError(f"a tool may not be called {path!r}: tools.{first} is the facade's own")
    if spec.flat and spec.name in FACADE:
        raise ConfigError(f"a flat tool may not be called {path!r}: that global is the facade's own")
    form = _NAMESPACE if spec.namespace else _NAME
    usable = all(map(_NAMESPACE.match, spec.namespace)) and form.match(spec.name)
    if not usable or UNCALLABLE & {spec.name, *spec.namespace} or len(spec.wire_name) > LONGEST_WIRE_NAME:
        raise ConfigError(
            f"a tool may not be called {path!r}: names have letters, digits and underscores, begin with a letter, are "
            f"none of {', '.join(sorted(UNCALLABLE))}, and have {LONGEST_WIRE_NAME} characters in all"
        )


def matches(path: str, pattern: str) -> bool:
    """Say whether a tool's path fits a name, or a pattern with a final ``*``."""
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def schema_digest(tool: Tool) -> str:
    """Return the SHA-256 of what a call of this tool means: its path, effect, input and output schema."""
    spec = tool.spec
    if spec.digest:
        return spec.digest
    import rfc8785  # here, since of our own tools it is known

    body: Json = [spec.path, spec.effect.value, spec.input.schema, spec.output.schema]
    return hashlib.sha256(rfc8785.dumps(body)).hexdigest()


def tools_digest(tools: Iterable[Tool]) -> str:
    """Return one digest of the schemas of several tools, whatever their order."""
    return hashlib.sha256("\n".join(sorted(map(schema_digest, tools))).encode()).hexdigest()


def installed_tools() -> list[Tool]:
    """Return the tools that installed packages offer through the ``toolscript.tools`` entry points.

    Raises ConfigError naming the package whose entry point fails.
    """
    found: list[Tool] = []
    for point in entry_points(group=GROUP):
        try:
            found.extend(point.load()())
        except Exception as error:
            raise ConfigError(f"tools of entry point {point.name!r} ({point.value}) do not load: {error}") from error
    return found
