"""Decides how one running server is spoken to: started, listed, asked, and found to be dead."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeVar

import anyio
import mcp_types
from anyio.abc import TaskGroup, TaskStatus
from mcp import Client, MCPError
from mcp.client import IncomingMessage
from mcp.client._transport import TransportStreams
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.subscriptions import ToolsListChanged
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from toolscript import misfits
from toolscript.errors import ToolError
from toolscript.registry.context import ToolContext
from toolscript_tools.mcp.calls import Call, Calls
from toolscript_tools.mcp.clean import clean
from toolscript_tools.mcp.config import McpServer
from toolscript_tools.mcp.content import failed
from toolscript_tools.mcp.elicitation import Inputs
from toolscript_tools.mcp.guard import Guard
from toolscript_tools.mcp.remote import http_transport
from toolscript_tools.mcp.stdio import Tail, stdio_transport

PAGES = 50
TOOLS = 1_000
PROBE_SECONDS = 5.0
CLOSE_SECONDS = 3.0
"""Time to take leave of a server; what is a process of ours is then ended all the same."""

RELIST_SECONDS = 0.2
"""Least time between two listings, however often a server says that its list changed."""

Listing = dict[str, mcp_types.Tool]
T = TypeVar("T")

# What a server sends must not reach our standard error by way of the library's tracebacks.
for _name in ("mcp.client", "mcp.shared", "client"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


class NotSent(Exception):
    """The request did not reach the server, so it may be made again."""


class Session:
    """One incarnation of a server. It ends once, for ``guard.reason``, and is never used again."""

    def __init__(self, server: McpServer, tail: Tail, roots: Sequence[Path], changed: Callable[[], None]) -> None:
        self.server = server
        self.tools: Listing = {}
        self.has_resources = False
        self.guard = Guard()
        self.calls = Calls()
        self._tail = tail
        self._inputs = Inputs(server.name, self.calls, roots)
        self._changed = changed
        self._told = anyio.Event()
        self._scope = anyio.CancelScope()
        self._client: Client | None = None
        self._group: TaskGroup | None = None

    @property
    def alive(self) -> bool:
        """Whether requests can be made."""
        return self._client is not None and not self.guard.ended.is_set()

    async def live(self, *, task_status: TaskStatus[None]) -> None:
        """Run the server until it ends or is closed. Raises ToolError if it does not come up in time."""
        self._scope.deadline = anyio.current_time() + self.server.startup_timeout
        started = False
        try:
            with self._scope:
                async with self._connected() as client:
                    await self._come_up(client)
                    self._scope.deadline = math.inf
                    started = True
                    task_status.started()
                    await self._attend(client)
        except Exception as error:
            self.guard.end(_said(error))
        if not started:
            self.guard.end(f"it did not answer within {self.server.startup_timeout:g} s")
            raise self._failure(f"MCP server {self.server.name!r} did not start", "mcp_not_started")
        self.guard.end("the connection was closed")

    def close(self, reason: str = "the connection was closed") -> None:
        """End the server; requests on their way fail."""
        self.guard.end(reason)
        if self._group is None:
            self._scope.cancel()
        else:
            self._scope.deadline = anyio.current_time() + CLOSE_SECONDS

    async def request(self, what: str, send: Callable[[Client, Call], Awaitable[T]], context: ToolContext) -> T:
        """Make one request within the server's call timeout and return its result. Raises ToolError, or NotSent."""
        client, group = self._client, self._group
        if client is None or group is None or not self.alive:
            raise NotSent
        with self.calls.running(context, self.server.call_timeout):
            return await self._answer(what, send, client)
        if self.alive:
            group.start_soon(self._probe, client)
        seconds = f"{self.server.call_timeout:g} s"
        raise ToolError(f"{what} did not answer within {seconds}", tool=what, code="timeout")

    async def _answer(self, what: str, send: Callable[[Client, Call], Awaitable[T]], client: Client) -> T:
        try:
            return await send(client, self.calls.current)
        except MCPError as error:
            if error.code == mcp_types.CONNECTION_CLOSED or self.guard.ended.is_set():
                self.guard.end(clean(error.message, 500))
                raise self._failure(f"{what}: the server is gone, and what it did is not known", "mcp_died") from None
            if error.message == "Session terminated":
                self.close("the server forgot the session")
                raise NotSent from None
            failure = failed(what, [{"type": "text", "text": error.message}])
            failure.details["rpcCode"] = error.code
            raise failure from None
        except (ValidationError, RuntimeError, ValueError) as error:
            message = f"{what} answered what the protocol does not allow: {_said(error)}"
            raise ToolError(message, tool=what, code="mcp_protocol") from None

    async def _come_up(self, client: Client) -> None:
        # The library would run the server's own schemas, patterns included; we check them within a budget.
        setattr(client.session, "validate_tool_result", _unchecked)  # noqa: B010
        self._client = client
        self.tools = await self._listed(client)
        self.has_resources = client.server_capabilities.resources is not None

    def _connected(self) -> Client:
        return Client(
            self._transport(),
            mode=self.server.protocol,
            client_info=mcp_types.Implementation(name="toolscript", version="1"),
            elicitation_callback=self._inputs.elicit,
            list_roots_callback=self._inputs.list_roots,
            message_handler=self._notified,
            cache=None,
        )

    def _transport(self) -> AbstractAsyncContextManager[TransportStreams]:
        if self.server.url is not None:
            return http_transport(self.server, self.guard)
        return stdio_transport(self.server, self.guard, self._tail)

    async def _attend(self, client: Client) -> None:
        async with anyio.create_task_group() as group:
            self._group = group
            group.start_soon(self._list_again, client)
            offered = client.server_capabilities.tools
            if client.protocol_version in MODERN_PROTOCOL_VERSIONS and offered is not None and offered.list_changed:
                group.start_soon(self._listen, client)
            await self.guard.ended.wait()
            group.cancel_scope.cancel()

    async def _listed(self, client: Client) -> Listing:
        if client.server_capabilities.tools is None:
            return {}
        found: Listing = {}
        cursor: str | None = None
        for _ in range(PAGES):
            page = await client.list_tools(cursor=cursor)
            for tool in page.tools[: TOOLS - len(found)]:
                found.setdefault(tool.name, tool)
            cursor = page.next_cursor
            if cursor is None or len(found) >= TOOLS:
                break
        return {name: tool for name, tool in found.items() if self.server.offers(name)}

    async def _notified(self, message: IncomingMessage) -> None:
        if isinstance(message, mcp_types.ToolListChangedNotification):
            self._told.set()

    async def _listen(self, client: Client) -> None:
        try:
            async with client.listen(tools_list_changed=True) as events:
                async for event in events:
                    if isinstance(event, ToolsListChanged):
                        self._told.set()
        except (MCPError, SubscriptionLost, TimeoutError) as error:
            self._tail.add(f"[toolscript] changes of the list are not heard of any more: {_said(error)}\n".encode())

    async def _list_again(self, client: Client) -> None:
        while True:
            await self._told.wait()
            self._told = anyio.Event()
            try:
                with anyio.fail_after(self.server.startup_timeout):
                    listing = await self._listed(client)
            except (MCPError, TimeoutError, ValidationError) as error:
                self._tail.add(f"[toolscript] the changed list cannot be read: {_said(error)}\n".encode())
            else:
                if listing != self.tools:
                    self.tools = listing
                    self._changed()
            await anyio.sleep(RELIST_SECONDS)

    async def _probe(self, client: Client) -> None:
        """After a call that was not answered: a server that answers nothing at all is ended, and starts anew."""
        seen = self.guard.received
        with anyio.move_on_after(PROBE_SECONDS):
            try:
                await client.list_tools()
            except Exception:  # an answer of any kind is a sign of life
                return
        if self.guard.received == seen and not self.calls:
            self.close("it answered nothing any more")

    def _failure(self, message: str, code: str) -> ToolError:
        words = self._tail.text(2_000)
        told = f"{message}: {self.guard.reason}" + (f"\n{words}" if words else "")
        return ToolError(told, code=code, details={"server": self.server.name, "stderr": words})


async def _unchecked(name: str, result: mcp_types.CallToolResult) -> None:
    return None


def _said(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(_said(inner) for inner in error.exceptions))
    told = misfits.told(error, most=5) if isinstance(error, ValidationError) else str(error)
    return clean(told, 500) or type(error).__name__
