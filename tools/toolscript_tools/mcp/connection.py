"""Decides when a server is started, and started again: on demand, one at a time, not for ever."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup
from mcp import Client

from toolscript.errors import ToolError
from toolscript.registry.context import ToolContext
from toolscript_tools.mcp.calls import Call
from toolscript_tools.mcp.config import McpServer
from toolscript_tools.mcp.session import Listing, NotSent, Session
from toolscript_tools.mcp.stdio import Tail

STARTS = 10
STARTS_SECONDS = 60.0

T = TypeVar("T")


class Connection:
    """One configured server over all its incarnations. ``changed`` is called when its tools are others than before."""

    def __init__(
        self, server: McpServer, group: TaskGroup, roots: Sequence[Path], changed: Callable[[Connection], None]
    ) -> None:
        self.server = server
        self.tail = Tail()
        self.session: Session | None = None
        self.failure = ""
        self._group = group
        self._roots = tuple(roots)
        self._changed = changed
        self._lock = anyio.Lock()
        self._starts: deque[float] = deque()
        self._known: Listing | None = None

    async def listing(self) -> Listing:
        """Return the server's tools by its own names, starting it if need be. Raises ToolError."""
        return (await self._ready()).tools

    async def request(self, what: str, send: Callable[[Client, Call], Awaitable[T]], context: ToolContext) -> T:
        """Make a request, on a new incarnation if the server died or forgot us before it could take it."""
        for _ in range(2):
            session = await self._ready()
            try:
                return await session.request(what, send, context)
            except NotSent:
                continue
        raise ToolError(f"{what}: the server ends as soon as it is spoken to", tool=what, code="mcp_died")

    def close(self) -> None:
        """End the server if it runs; the next request starts it anew."""
        if self.session is not None:
            self.session.close()

    async def _ready(self) -> Session:
        async with self._lock:
            if self.session is None or not self.session.alive:
                self.session = await self._start()
                self._publish(self.session)
            return self.session

    async def _start(self) -> Session:
        self._not_too_often()
        session = Session(self.server, self.tail, self._roots, self._listed_anew)
        try:
            await self._group.start(session.live)
        except ToolError as error:
            self.failure = error.message
            raise
        self.failure = ""
        return session

    def _not_too_often(self) -> None:
        now = anyio.current_time()
        while self._starts and now - self._starts[0] > STARTS_SECONDS:
            self._starts.popleft()
        if len(self._starts) >= STARTS:
            message = f"MCP server {self.server.name!r} ended {STARTS} times within {STARTS_SECONDS:g} s; try later"
            raise ToolError(message, code="mcp_not_started", details={"stderr": self.tail.text(2_000)})
        self._starts.append(now)

    def _listed_anew(self) -> None:
        if self.session is not None:
            self._publish(self.session)

    def _publish(self, session: Session) -> None:
        if session.tools != self._known:
            self._known = session.tools
            self._changed(self)
