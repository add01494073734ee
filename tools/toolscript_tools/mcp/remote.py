"""Decides how a server is reached by HTTP: only at checked addresses, with bounded answers, by no proxy."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpcore2
import httpx2
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import streamable_http_client

from toolscript import units
from toolscript.errors import ConfigError
from toolscript_tools.mcp.clean import clean
from toolscript_tools.mcp.config import McpServer
from toolscript_tools.mcp.guard import MESSAGE_BYTES, Guard
from toolscript_tools.mcp.urls import addresses, checked_url

STREAM_BYTES = 256 * 1024 * 1024
"""Bytes of one stream of events; a single answer may have ``MESSAGE_BYTES``."""

CONNECT_SECONDS = 10.0


@asynccontextmanager
async def http_transport(server: McpServer, guard: Guard) -> AsyncGenerator[TransportStreams]:
    """Exchange messages with a server by streamable HTTP. Redirects are followed within its origin only."""
    assert server.url is not None
    url = str(checked_url(server.url, allow_local=server.allow_local))
    # The call's own deadline is the shorter one; this only ends what nobody waits for any more.
    timeout = httpx2.Timeout(30.0, connect=CONNECT_SECONDS, read=server.call_timeout + 60.0)
    headers = {**server.headers, "Accept-Encoding": "identity"}
    transport = _Transport(guard, encrypted=url.startswith("https:"), allow_local=server.allow_local)
    client = httpx2.AsyncClient(headers=headers, timeout=timeout, transport=transport, trust_env=False)
    async with (
        client,
        streamable_http_client(url, http_client=client, max_sse_event_size=MESSAGE_BYTES) as (read, write),
    ):
        yield guard.watch(read, write)


class _Transport(httpx2.AsyncHTTPTransport):
    """Connects only where it may, and reads no more than it may."""

    def __init__(self, guard: Guard, *, encrypted: bool, allow_local: bool) -> None:
        # Reading all certificates takes its time; without any, nothing encrypted can be reached.
        context = httpx2.create_ssl_context() if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().__init__(verify=context, trust_env=False)
        self._guard = guard
        self._pool = httpcore2.AsyncConnectionPool(ssl_context=context, network_backend=_Backend(allow_local))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await super().handle_async_request(request)
        except httpx2.TransportError as error:
            self._guard.hint = clean(str(error), 500)
            raise
        if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            # What unpacks on the way has no size that could be known before.
            await response.aclose()
            raise _refused(self._guard, "the server compresses its answer, though it was asked not to")
        events = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream, self._guard, STREAM_BYTES if events else MESSAGE_BYTES)
        return response


def _refused(guard: Guard, reason: str) -> httpx2.RemoteProtocolError:
    guard.hint = reason
    return httpx2.RemoteProtocolError(reason)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, guard: Guard, limit: int) -> None:
        self._inner = inner
        self._guard = guard
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > self._limit:
                raise _refused(self._guard, f"the server answered with more than {units.size(self._limit)}")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Backend(httpcore2.AsyncNetworkBackend):
    """Looks a host up once, checks every address, and connects to what was checked."""

    def __init__(self, allow_local: bool) -> None:
        self._allow_local = allow_local
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        try:
            with anyio.fail_after(timeout):
                listed = await addresses(host, port, allow_local=self._allow_local)
        except (ConfigError, OSError) as error:
            raise httpcore2.ConnectError(str(error)) from error
        for address in listed:
            try:
                return await self._inner.connect_tcp(
                    str(ipaddress.ip_address(address)), port, timeout=timeout, socket_options=socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)
