"""Decides how JSON lines travel over a local socket: bounded in size, bounded in time, never half believed."""

from __future__ import annotations

import json
import socket
from typing import Any

import anyio

from toolscript.errors import Json, ProtocolFault

SEND_SECONDS = 10.0
"""How long a peer may leave what was sent to it unread."""
CHUNK = 64 * 1024


class JsonLines:
    """One end of a connection; used by one reader, and by writers in turn.

    Raises ProtocolFault for a line that is too long or no JSON object, for a peer that does not read, and for a
    connection that ended in the middle of a line or was reset.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._buffer = bytearray()
        self._searched = 0
        self._sending = anyio.Lock()

    async def receive(self, *, max_bytes: int) -> dict[str, Json] | None:
        """Return the next object, or None when the peer has ended the connection."""
        while (end := self._buffer.find(b"\n", self._searched)) < 0:
            self._searched = len(self._buffer)
            if self._searched > max_bytes:
                raise ProtocolFault(f"a line of more than {max_bytes} bytes")
            chunk = await self._chunk()
            if not chunk:
                if self._buffer:
                    raise ProtocolFault("the connection ended in the middle of a line")
                return None
            self._buffer += chunk
        if end > max_bytes:
            raise ProtocolFault(f"a line of more than {max_bytes} bytes")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return _object(line)

    async def send(self, data: dict[str, Json]) -> None:
        """Send one object."""
        view = memoryview(json.dumps(data).encode() + b"\n")
        async with self._sending:
            with anyio.move_on_after(SEND_SECONDS):
                while view:
                    view = view[await self._some(view) :]
                return
        raise ProtocolFault("the peer does not read what it is sent")

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    async def _chunk(self) -> bytes:
        while True:
            try:
                return self._socket.recv(CHUNK)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
            except OSError as error:
                raise ProtocolFault(f"the connection broke: {error.strerror}") from None

    async def _some(self, view: memoryview) -> int:
        while True:
            try:
                return self._socket.send(view)
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            except OSError as error:
                raise ProtocolFault(f"the connection broke: {error.strerror}") from None


def _object(line: bytes) -> dict[str, Json]:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise ProtocolFault("a line that is not JSON") from None
    if not isinstance(value, dict):
        raise ProtocolFault("a line that is no JSON object")
    return value
