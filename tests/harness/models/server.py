"""A provider on loopback that sends exactly the bytes a test wrote down, in exactly those pieces."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketStream

CUT = b"\x00cut"
"""A piece at which the connection is closed in the middle of the body."""
SILENCE = b"\x00silence"
"""A piece after which nothing comes any more until the client closes."""


@dataclass(frozen=True)
class Answer:
    """One response: status, headers and the pieces of its body."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    endless: Callable[[], bytes] | None = None


@dataclass
class Provider:
    """What was asked of the server, and what it will answer, one answer for each request."""

    answers: list[Answer]
    url: str = ""
    requests: list[dict] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    connections: int = 0
    gone: anyio.Event = field(default_factory=anyio.Event)
    """Set when a client closed its connection before the answer was at its end."""

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            self.connections += 1
            try:
                await self._read(stream)
                while (answer := self.answers[len(self.requests) - 1]).headers.get("Connection") == "keep-alive":
                    await self._send(stream, answer)
                    await self._read(stream)
                await self._send(stream, answer)
            except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
                self.gone.set()

    async def _read(self, stream: SocketStream) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive()
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in lines[1:])}
        while len(body) < int(headers.get("content-length", 0)):
            body += await stream.receive()
        self.paths.append(lines[0].split()[1])
        self.headers.append(headers)
        self.requests.append(json.loads(body or b"{}"))

    async def _send(self, stream: SocketStream, answer: Answer) -> None:
        headers = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked", "Connection": "close"}
        head = "".join(f"{n}: {v}\r\n" for n, v in (headers | answer.headers).items())
        await stream.send(f"HTTP/1.1 {answer.status} X\r\n{head}\r\n".encode())
        for piece in answer.pieces:
            if piece == CUT:
                return
            if piece == SILENCE:
                await self._until_gone(stream)
            await self._chunk(stream, piece)
        while answer.endless is not None:
            await self._chunk(stream, answer.endless())
        await stream.send(b"0\r\n\r\n")

    async def _chunk(self, stream: SocketStream, piece: bytes) -> None:
        await stream.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await anyio.lowlevel.checkpoint()

    async def _until_gone(self, stream: SocketStream) -> None:
        while True:
            await stream.receive()


@asynccontextmanager
async def provider(*answers: Answer) -> AsyncIterator[Provider]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    host, port = listener.extra(anyio.abc.SocketAttribute.local_address)
    served = Provider(list(answers), f"http://{host}:{port}/v1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, served.serve)
        yield served
        group.cancel_scope.cancel()


def sse(*events: dict, named: bool = True) -> bytes:
    """Return events as server-sent events, with their types as names."""
    lines = []
    for event in events:
        name = f"event: {event['type']}\n" if named and "type" in event else ""
        text = json.dumps(event, ensure_ascii=False)
        halves = any("\ud800" <= c <= "\udfff" for c in text)
        lines.append(f"{name}data: {json.dumps(event) if halves else text}\n\n")
    return "".join(lines).encode()


def cut_into(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def error(status: int, body: dict, **headers: str) -> Answer:
    kind = {"Content-Type": "application/json"}
    return Answer([json.dumps(body).encode()], status, kind | {n.replace("_", "-"): v for n, v in headers.items()})
