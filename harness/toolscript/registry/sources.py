"""Decides how tools come from something that runs outside: offered to the registry while it is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from toolscript.errors import ConfigError, Json

if TYPE_CHECKING:
    from toolscript.registry.registry import Registry

GROUP = "toolscript.sources"
"""The entry point group of functions that make a source; a point's name is its table in the configuration."""


class ServerState(Protocol):
    """How one server fares."""

    @property
    def name(self) -> str:
        """The server's name in the configuration."""
        ...

    @property
    def state(self) -> str:
        """``not started``, ``running``, ``stopped`` or ``failed``."""
        ...

    @property
    def tools(self) -> tuple[str, ...]:
        """What it offers, by its own names."""
        ...

    @property
    def problem(self) -> str:
        """Why it does not run; empty while it does."""
        ...

    @property
    def stderr(self) -> str:
        """The last of what it printed beside the protocol."""
        ...


class ToolSource(Protocol):
    """Tools that others serve (MCP servers). Used inside its own ``async with``."""

    async def offer(self, registry: Registry) -> None:
        """Register the tools, and keep the registry in step with what is served. Bounded in time; never raises
        for a server that fails: the registry then says why its tools are not there."""
        ...

    def status(self) -> tuple[ServerState, ...]:
        """Return how each server fares."""
        ...


Opening = Callable[[Mapping[str, Json], Sequence[Path], Sequence[Path]], AbstractAsyncContextManager[ToolSource]]
"""Makes a source from its table, the workspace roots, and JSON files of servers that the user trusts.

Raises ConfigError; one about the table has ``details`` that let its line be found: ``source`` (``toolscript.toml``),
``keys`` below the table and ``problem``.
"""


def open_source(
    name: str, table: Mapping[str, Json], roots: Sequence[Path], files: Sequence[Path]
) -> AbstractAsyncContextManager[ToolSource] | None:
    """Return the source of a configuration table, or None where nothing is configured for it.

    Raises ConfigError when no installed package serves such a table.
    """
    if not table and not files:
        return None
    for point in entry_points(group=GROUP, name=name):
        return cast(Opening, point.load())(table, roots, files)
    raise ConfigError(f"no installed package serves the [{name}] tables of the configuration")
