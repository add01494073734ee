"""Decides when the tools that others serve are there, and what is said of servers that are not."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from anyio import Event
from anyio.abc import TaskGroup

from toolscript.registry.registry import Registry
from toolscript.registry.sources import ServerState, ToolSource


class Served:
    """What configured servers offer to one harness, and how they fare."""

    def __init__(self, registry: Registry, *, configured: Sequence[str] = ()) -> None:
        self._registry = registry
        self._configured = tuple(configured)
        self._source: ToolSource | None = None
        self._offered = Event()

    async def open(
        self, opening: AbstractAsyncContextManager[ToolSource] | None, stack: AsyncExitStack, group: TaskGroup
    ) -> None:
        """Start the servers, in the background: only the first run waits for them."""
        if opening is None:
            self._offered.set()
            return
        self._source = await stack.enter_async_context(opening)
        group.start_soon(self._offer, self._source)

    async def _offer(self, source: ToolSource) -> None:
        try:
            await source.offer(self._registry)
        finally:
            self._offered.set()

    async def wait(self) -> None:
        """Return once each server has offered its tools, or did not start."""
        if not self._offered.is_set():
            await self._offered.wait()

    async def failures(self) -> tuple[str, ...]:
        """Return one sentence for each server that does not run, once all had their time to start."""
        await self.wait()
        return tuple(_failure(state) for state in self._states() if state.state == "failed")

    def told(self) -> str:
        """Return how each server fares, in one line; empty where none is configured."""
        if self._source is None and self._configured:
            return f"{', '.join(self._configured)} (to be started with the first script or turn)"
        return ", ".join(f"{state.name} {fares(state)}" for state in self._states())

    def _states(self) -> tuple[ServerState, ...]:
        return self._source.status() if self._source is not None else ()


def fares(state: ServerState) -> str:
    """Return how a server fares in a few words: ``running (2 tools)``, ``failed (there is no program 'uvx')``."""
    if state.state == "running":
        return f"running ({len(state.tools)} tool{'' if len(state.tools) == 1 else 's'})"
    why = "; ".join(filter(None, [_reason(state), _last_words(state)]))
    return state.state + (f" ({why})" if why else "")


def _failure(state: ServerState) -> str:
    words = _last_words(state)
    return f"MCP server {state.name!r} did not start: {_reason(state)}" + (f"; it said: {words}" if words else "")


def _reason(state: ServerState) -> str:
    return state.problem.partition("\n")[0].removeprefix(f"MCP server {state.name!r} did not start: ")


def _last_words(state: ServerState, most: int = 200) -> str:
    """Return the last line that a server printed beside the protocol, which mostly says why it ended."""
    lines = [line.strip() for line in state.stderr.splitlines() if line.strip()]
    return lines[-1][:most] if lines else ""
