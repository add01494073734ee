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
_SETTLE = struct.Struct("!IBd")
_BATCH = struct.Struct("!IdB")
_SETTLED = struct.Struct("!IBBHIIIBd")
"""All of a frame that settles a promise but the value itself: one crosses for each call."""
_FEW = 16
_HEADS = tuple(struct.Struct(f"!IBBH{count}I") for count in range(_FEW))
_LENGTHS = tuple(struct.Struct(f"!{count}I") for count in range(_FEW))
"""For the frames that cross all the time; longer ones have theirs made."""

Parts = list[bytes]


class Kind(IntEnum):
    """What a frame says. The host sends the first three, a worker the others."""

    START = 1
    SETTLE = 2
    ROUSE = 3
    READY = 16
    BATCH = 17


class Flag(IntEnum):
    """What a batch says besides its messages."""

    ENDED = 1
    PREPARED = 2
    HEAP_FULL = 4


START, SETTLE, ROUSE = int(Kind.START), int(Kind.SETTLE), int(Kind.ROUSE)
ENDED, PREPARED, HEAP_FULL = map(int, Flag)
"""As plain numbers, for the worker, which compares nothing else."""


def encode(kind: int, parts: Parts) -> bytes:
    """Return one frame."""
    count, sizes = len(parts), [*map(len, parts)]
    head = _HEADS[count] if count < _FEW else struct.Struct(f"!IBBH{count}I")
    return b"".join((head.pack(head.size - 4 + sum(sizes), VERSION, kind, count, *sizes), *parts))


def encode_settlement(number: int, ok: bool, value: bytes, time_ms: float) -> bytes:
    """Return the frame that settles one promise with a JSON text."""
    size = len(value)
    return _SETTLED.pack(_SETTLED.size - 4 + size, VERSION, SETTLE, 2, _SETTLE.size, size, number, ok, time_ms) + value


def encode_batch(serial: int, guest_seconds: float, flags: int, messages: bytes, carried: Parts) -> bytes:
    """Return the frame of what a script did: a JSON array of messages, and the long texts that it refers to.

    ``serial`` counts the scripts of one worker: what is left over of one cannot pass for the next.
    """
    return encode(Kind.BATCH, [_BATCH.pack(serial, guest_seconds, flags), messages, *carried])


def settlement_head(part: bytes) -> tuple[int, bool, float]:
    """Return number, outcome and time. Raises ProtocolFault."""
    try:
        number, ok, time_ms = _SETTLE.unpack(part)
    except struct.error:
        raise _no_head(_SETTLE, part) from None
    return number, ok != 0, time_ms


def batch_head(part: bytes) -> tuple[int, float, int]:
    """Return the script's serial, its guest seconds and the flags. Raises ProtocolFault."""
    try:
        serial, seconds, flags = _BATCH.unpack(part)
    except struct.error:
        raise _no_head(_BATCH, part) from None
    if not 0 <= seconds < 1e9:
        raise ProtocolFault(f"a batch claims {seconds!r} guest seconds")
    return serial, seconds, flags


def _no_head(layout: struct.Struct, part: bytes) -> ProtocolFault:
    return ProtocolFault(f"a frame's head has {len(part)} bytes instead of {layout.size}")


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
        if not held:
            # As a rule a read brings whole frames: they are cut from it as it is.
            frames, end = self._cut(data)
            if end < len(data):
                held += data[end:]
            return frames
        held += data
        with memoryview(held) as view:
            frames, end = self._cut(view)
        del held[:end]
        return frames

    def _cut(self, data: bytes | memoryview) -> tuple[list[tuple[int, Parts]], int]:
        """Return the frames that ``data`` begins with, and where the last of them ends."""
        frames: list[tuple[int, Parts]] = []
        at, size = 0, len(data)
        while size - at >= _HEAD.size:
            length, version, kind, count = _HEAD.unpack_from(data, at)
            if version != VERSION or length > self._limit or count > MOST_PARTS or length < 4 + count * 4:
                raise self._fault(length, version, count)
            end = at + 4 + length
            if size < end:
                break
            frames.append((kind, _parts(data, at + _HEAD.size, end, count)))
            at = end
        return frames, at

    def _fault(self, length: int, version: int, count: int) -> ProtocolFault:
        if version != VERSION:
            return ProtocolFault(f"a frame has version {version}, not {VERSION}")
        if length > self._limit:
            return ProtocolFault(f"a frame of {length} bytes is beyond the {self._limit} that are allowed")
        return ProtocolFault(f"a frame of {length} bytes cannot have {count} parts")


def _parts(data: bytes | memoryview, at: int, end: int, count: int) -> Parts:
    layout = _LENGTHS[count] if count < _FEW else struct.Struct(f"!{count}I")
    lengths = layout.unpack_from(data, at)
    at += layout.size
    if at + sum(lengths) != end:
        raise ProtocolFault("the parts of a frame do not fill it")
    parts = []
    for length in lengths:
        parts.append(bytes(data[at : at + length]))
        at += length
    return parts
