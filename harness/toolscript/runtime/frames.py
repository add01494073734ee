"""Decides how host and worker put their words on the wire: versioned, length-prefixed frames of byte parts.

A frame is its length, a version, a kind and a number of parts, the parts' lengths, then the parts. Large texts are
parts of their own, so they cross unparsed. Both sides use this module; the worker loads nothing else of the host.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from toolscript.errors import ProtocolFault

VERSION = 1
MOST_PARTS = 4096
_HEAD = struct.Struct("!IBBH")
_LENGTH = struct.Struct("!I")
_SETTLE = struct.Struct("!IBd")
_BATCH = struct.Struct("!IdB")

Parts = list[bytes]


class Kind(IntEnum):
    """What a frame says. The host sends the first two, a worker the others."""

    START = 1
    SETTLE = 2
    READY = 16
    BATCH = 17


class Flag(IntEnum):
    """What a batch says besides its messages."""

    ENDED = 1
    PREPARED = 2
    HEAP_FULL = 4


def encode(kind: Kind, parts: Parts) -> bytes:
    """Return one frame."""
    count = len(parts)
    lengths = struct.pack(f"!{count}I", *map(len, parts))
    head = _HEAD.pack(4 + len(lengths) + sum(map(len, parts)), VERSION, kind, count)
    return b"".join((head, lengths, *parts))


def encode_settlement(number: int, ok: bool, value: bytes, time_ms: float) -> bytes:
    """Return the frame that settles one promise with a JSON text."""
    return encode(Kind.SETTLE, [_SETTLE.pack(number, ok, time_ms), value])


def encode_batch(serial: int, guest_seconds: float, flags: int, messages: bytes, carried: Parts) -> bytes:
    """Return the frame of what a script did: a JSON array of messages, and the long texts that it refers to.

    ``serial`` counts the scripts of one worker: what is left over of one cannot pass for the next.
    """
    return encode(Kind.BATCH, [_BATCH.pack(serial, guest_seconds, flags), messages, *carried])


def settlement_head(part: bytes) -> tuple[int, bool, float]:
    """Return number, outcome and time. Raises ProtocolFault."""
    _fits(_SETTLE, part)
    number, ok, time_ms = _SETTLE.unpack(part)
    return number, bool(ok), time_ms


def batch_head(part: bytes) -> tuple[int, float, int]:
    """Return the script's serial, its guest seconds and the flags. Raises ProtocolFault."""
    _fits(_BATCH, part)
    serial, seconds, flags = _BATCH.unpack(part)
    if not 0 <= seconds < 1e9:
        raise ProtocolFault(f"a batch claims {seconds!r} guest seconds")
    return serial, seconds, flags


def _fits(layout: struct.Struct, part: bytes) -> None:
    if len(part) != layout.size:
        raise ProtocolFault(f"a frame's head has {len(part)} bytes instead of {layout.size}")


class Splitter:
    """Cuts a stream of bytes into frames; a frame above ``limit`` bytes is refused before it is collected."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[tuple[int, Parts]]:
        """Take bytes and return the frames (kind, parts) that are complete now. Raises ProtocolFault."""
        held = self._held
        if held:
            held += data
            frames, at = self._cut(held)
            del held[:at]
        else:  # nearly always: what comes at once is taken as it is
            frames, at = self._cut(data)
            if at < len(data):
                held += data[at:]
        return frames

    def _cut(self, held: bytes | bytearray) -> tuple[list[tuple[int, Parts]], int]:
        """Return the complete frames, and where what is left of the bytes begins."""
        frames = []
        at, most = 0, len(held) - _HEAD.size
        while at <= most:
            length, version, kind, count = _HEAD.unpack_from(held, at)
            self._check(length, version, count)
            end = at + 4 + length
            if len(held) < end:
                break
            frames.append((kind, _parts(held, at + _HEAD.size, end, count)))
            at = end
        return frames, at

    def _check(self, length: int, version: int, count: int) -> None:
        if version != VERSION:
            raise ProtocolFault(f"a frame has version {version}, not {VERSION}")
        if length > self._limit:
            raise ProtocolFault(f"a frame of {length} bytes is beyond the {self._limit} that are allowed")
        if count > MOST_PARTS or length < 4 + count * _LENGTH.size:
            raise ProtocolFault(f"a frame of {length} bytes cannot have {count} parts")


def _parts(held: bytes | bytearray, at: int, end: int, count: int) -> Parts:
    lengths = struct.unpack_from(f"!{count}I", held, at)
    at += count * _LENGTH.size
    if at + sum(lengths) != end:
        raise ProtocolFault("the parts of a frame do not fill it")
    parts = []
    for length in lengths:
        parts.append(bytes(held[at : at + length]))
        at += length
    return parts
