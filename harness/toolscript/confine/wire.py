"""Decides what host, supervisor, keeper and launcher tell each other about one command."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

LAUNCH = b"L"
"""Host to supervisor: a command's channel, standard input, output and error come with this byte."""
GO, TERMINATE, KILL = b"g", b"t", b"k"
"""Host to keeper: let the launcher go on; end all processes gently; end them now."""

_LENGTH = struct.Struct(">I")
_MAX_FRAME = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What the operating system lets one command do; paths are absolute and resolved.

    ``writable`` are directories below which it may write, ``devices`` device files (or directories of them);
    ``hidden`` may not be read; ``frozen`` lie inside ``writable`` and may not be changed; ``pinned`` are
    directories above them that may not be renamed. The flags say by what means: a mount namespace (of root's own,
    or within a ``user_namespace``), Landlock and seccomp, or the program ``bubblewrap`` instead of the first two.
    ``only_hides`` is for commands that may do anything else: nothing holds but what is hidden.
    """

    writable: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    network: bool = False
    landlock: bool = False
    seccomp: bool = False
    namespace: bool = False
    user_namespace: bool = False
    bubblewrap: str = ""
    only_hides: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One command as its launcher needs it. ``program`` is looked up on the command's own PATH."""

    program: str
    argv: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str] = field(default_factory=dict)
    confinement: Confinement | None = None
    max_processes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` reads."""
        return asdict(self) | {"environment": dict(self.environment)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Launch:
        """Return the launch that was sent."""
        inner: dict[str, Any] | None = data["confinement"]
        confinement = None
        if inner is not None:
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in inner.items()}
            confinement = Confinement(**fields)
        return cls(**(data | {"argv": tuple(data["argv"]), "confinement": confinement}))


def encode(message: Mapping[str, Any]) -> bytes:
    """Return one message with its length before it."""
    body = json.dumps(message).encode()
    return _LENGTH.pack(len(body)) + body


class Decoder:
    """Puts messages together from whatever pieces arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Return the messages that these bytes complete. Raises ValueError for an absurd length."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > _MAX_FRAME:
                raise ValueError(f"a message of {length} bytes is beyond belief")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            messages.append(json.loads(bytes(self._buffer[_LENGTH.size : end])))
            del self._buffer[:end]
        return messages


def receive(channel: socket.socket) -> dict[str, Any] | None:
    """Return the next message from a blocking channel and not a byte more, or None at its end."""
    head = _exactly(channel, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    body = _exactly(channel, length) if length <= _MAX_FRAME else None
    return None if body is None else json.loads(body)


def _exactly(channel: socket.socket, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        piece = channel.recv(min(count - len(data), 1 << 20))
        if not piece:
            return None
        data += piece
    return bytes(data)


def receive_descriptors(channel: socket.socket, count: int) -> list[int] | None:
    """Return the descriptors that come with the next byte, closed on exec; None at the channel's end."""
    flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    try:
        data, descriptors, _, _ = socket.recv_fds(channel, 1, count, flags)
    except ConnectionError:
        return None
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return descriptors if data else None
