"""Decides how much a server may send before it counts as flooding, and notices when its stream ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import anyio
from mcp.client._transport import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCRequest, JSONRPCResponse

MESSAGE_BYTES = 16 * 1024 * 1024
"""Bytes of one message."""

PER_SECOND = 1_000
BURST = 10_000
WAITING = 64
"""Requests of the server that may wait for our answer."""

Received = SessionMessage | Exception


class Flood(Exception):
    """The server sent more than it may."""


class Guard:
    """Watches one connection from our side. ``ended`` is set when nothing more will come; ``reason`` says why.

    ``hint`` is what went wrong last on the way, a better reason than that the connection is closed.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.ended = anyio.Event()
        self.reason = ""
        self.hint = ""
        self.received = 0
        self._clock = clock
        self._budget = float(BURST)
        self._last = clock()
        self._waiting = 0

    def watch(
        self, read: ReadStream[Received], write: WriteStream[SessionMessage]
    ) -> tuple[ReadStream[Received], WriteStream[SessionMessage]]:
        """Return the same streams, watched."""
        return _Watched(read, self), _Answering(write, self)

    def end(self, reason: str) -> None:
        """Say that the connection is over; the first reason stands."""
        if not self.ended.is_set():
            self.reason = self.hint or reason
            self.ended.set()

    def took(self, item: Received) -> None:
        """Account for a message; raises Flood if it is one too many."""
        self.received += 1
        now = self._clock()
        self._budget = min(BURST, self._budget + (now - self._last) * PER_SECOND) - 1
        self._last = now
        if self._budget < 0:
            raise Flood(f"the server sent more than {PER_SECOND} messages a second")
        if isinstance(item, SessionMessage) and isinstance(item.message, JSONRPCRequest):
            self._waiting += 1
            if self._waiting > WAITING:
                raise Flood(f"the server waits for more than {WAITING} answers at once")

    def answered(self) -> None:
        """Account for an answer of ours."""
        self._waiting = max(0, self._waiting - 1)


class _Watched:
    def __init__(self, inner: ReadStream[Received], guard: Guard) -> None:
        self._inner = inner
        self._guard = guard

    @property
    def last_context(self) -> object:
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> Received:
        try:
            item = await self._inner.receive()
            self._guard.took(item)
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._guard.end("the server closed the connection")
            raise
        except Flood as flood:
            self._guard.end(str(flood))
            raise anyio.EndOfStream from None
        return item

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Received:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Answering:
    def __init__(self, inner: WriteStream[SessionMessage], guard: Guard) -> None:
        self._inner = inner
        self._guard = guard

    async def send(self, item: SessionMessage, /) -> None:
        await self._inner.send(item)
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            # Only now: a server that reads nothing leaves our answers waiting.
            self._guard.answered()

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
