"""Decides which MCP servers there are and what they offer right now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import anyio
from anyio.abc import TaskGroup

from toolscript.errors import ConfigError, Json, ToolError
from toolscript.registry.registry import Registry
from toolscript.registry.tool import Tool
from toolscript_tools.mcp.config import McpServer
from toolscript_tools.mcp.connection import Connection
from toolscript_tools.mcp.names import server_keys, tool_keys
from toolscript_tools.mcp.resources import resource_tools
from toolscript_tools.mcp.tool import tool_of

Changed = Callable[[str, list[Tool]], None]
"""Hears of a server by its key, and of all that it offers from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """How a server fares. ``problem`` says why it does not run, ``stderr`` holds its last words beside the protocol."""

    name: str
    key: str
    state: Literal["not started", "running", "stopped", "failed"]
    tools: tuple[str, ...] = ()
    problem: str = ""
    stderr: str = ""


class McpServers:
    """All configured servers, started when their tools are asked for and ended on leaving.

    ``roots`` are the directories that servers are told of. ``on_change`` is called whenever a server's tools are others
    than before, also the first time, from the task of the event loop that found out.
    """

    def __init__(
        self, servers: Iterable[McpServer], *, roots: Sequence[Path] = (), on_change: Changed | None = None
    ) -> None:
        self._configured = {server.name: server for server in servers}
        self._keys = server_keys(self._configured)
        self._roots = tuple(roots)
        self._listeners = [on_change] if on_change else []
        self._connections: dict[str, Connection] = {}
        self._group: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._group = await anyio.create_task_group().__aenter__()
        self._connections = {
            name: Connection(server, self._group, self._roots, self._changed)
            for name, server in self._configured.items()
        }
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None
        for connection in self._connections.values():
            connection.close()
        # Without the body's error, which would come back as part of a group.
        await self._group.__aexit__(None, None, None)

    async def tools(self, *names: str) -> list[Tool]:
        """Return the tools of these servers, of all without names, starting those that do not run.

        A server that does not start costs no more than its start-up time; :meth:`status` says what happened.
        Raises ConfigError for a name that is not configured.
        """
        chosen = [self._connection(name) for name in names or self._configured]
        async with anyio.create_task_group() as group:
            for connection in chosen:
                group.start_soon(_try_to_list, connection)
        return [tool for connection in chosen for tool in self._tools_of(connection)]

    async def offer(self, registry: Registry) -> None:
        """Start all servers, register their tools, and keep the registry in step with what they offer."""

        def replace(key: str, tools: list[Tool]) -> None:
            for tool in [tool for tool in registry if tool.spec.namespace == ("mcp", key)]:
                registry.remove(tool.spec.path)
            for tool in tools:
                try:
                    registry.add(tool)
                except ConfigError as error:
                    # Somebody else's tool has the name: one tool less is better than none.
                    self._note(key, error.message)

        self._listeners.append(replace)
        registry.explain(self._why_absent)
        for connection in self._connections.values():
            if connection.session is not None and connection.session.alive:
                replace(self._keys[connection.server.name], self._tools_of(connection))
        await self.tools()

    async def restart(self, name: str) -> list[Tool]:
        """End the server and start it anew; returns its tools. Raises ConfigError, ToolError."""
        connection = self._connection(name)
        connection.close()
        await connection.listing()
        return self._tools_of(connection)

    def status(self) -> tuple[ServerStatus, ...]:
        """Return how each server fares."""
        return tuple(self._status(connection) for connection in self._connections.values())

    def _why_absent(self, path: str) -> ToolError | None:
        """Return why a tool of a server that did not start is not on the facade."""
        first, _, rest = path.partition(".")
        for connection in self._connections.values():
            status = self._status(connection)
            if first == "mcp" and status.key == rest.partition(".")[0] and status.state == "failed":
                words: dict[str, Json] = {"server": status.name, "stderr": connection.tail.text(2_000)}
                return ToolError(status.problem, tool=path, code="mcp_not_started", details=words)
        return None

    def _note(self, key: str, text: str) -> None:
        for connection in self._connections.values():
            if self._keys[connection.server.name] == key:
                connection.tail.add(f"[toolscript] {text}\n".encode())

    def _connection(self, name: str) -> Connection:
        try:
            return self._connections[name]
        except KeyError:
            listed = ", ".join(self._configured) or "none"
            raise ConfigError(f"no MCP server {name!r} is configured; there are: {listed}") from None

    def _changed(self, connection: Connection) -> None:
        tools = self._tools_of(connection)
        for listener in tuple(self._listeners):
            listener(self._keys[connection.server.name], tools)

    def _tools_of(self, connection: Connection) -> list[Tool]:
        session = connection.session
        if session is None:
            return []
        key = self._keys[connection.server.name]
        keys = tool_keys(connection.server.name, key, session.tools)
        tools: list[Tool] = [tool_of(connection, key, keys[name], tool) for name, tool in session.tools.items()]
        if session.has_resources:
            tools += resource_tools(connection, key, set(keys.values()))
        return tools

    def _status(self, connection: Connection) -> ServerStatus:
        session = connection.session
        state: Literal["not started", "running", "stopped", "failed"] = "not started"
        problem = connection.failure
        if problem:
            state = "failed"
        elif session is not None:
            state = "running" if session.alive else "stopped"
            problem = "" if session.alive else session.guard.reason
        return ServerStatus(
            name=connection.server.name,
            key=self._keys[connection.server.name],
            state=state,
            tools=tuple(session.tools) if session is not None and session.alive else (),
            problem=problem,
            stderr=connection.tail.text(),
        )


async def _try_to_list(connection: Connection) -> None:
    try:
        await connection.listing()
    except ToolError as error:
        connection.failure = error.message
