"""Decides whether bytes are a whole image of a known kind, and how large, without ever decoding it."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

MAX_PIXELS = 100_000_000
"""An image that claims more is refused: whoever decodes it would run out of memory."""

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""The JPEG markers that hold the size."""


@dataclass(frozen=True, slots=True)
class Image:
    """What the bytes say of themselves."""

    kind: str
    width: int
    height: int


def image_of(data: bytes) -> Image | None:
    """Return kind and size of a whole PNG, JPEG, GIF or WebP; None for anything else, damaged, cut or too large."""
    for sign, read in _KINDS:
        if data.startswith(sign):
            try:
                found = read(data)
            except (struct.error, IndexError):
                return None
            return found if found is not None and 0 < found.width * found.height <= MAX_PIXELS else None
    return None


def _png(data: bytes) -> Image | None:
    at, size, pixels = 8, (0, 0), False
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(name + body) != checksum or (at == 8) is not (name == b"IHDR"):
            return None
        if name == b"IHDR":
            size = struct.unpack_from(">II", body)
        pixels |= name == b"IDAT"
        if name == b"IEND":
            return Image("png", *size) if pixels else None
        at += 12 + length
    return None


def _jpeg(data: bytes) -> Image | None:
    at, size = 2, (0, 0)
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = (width, height)
        if marker == 0xDA:
            return Image("jpeg", *size) if data.rfind(b"\xff\xd9") > at + length else None
        at += 2 + length
    return None


def _gif(data: bytes) -> Image | None:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, pictures = 13 + _table(flags), 0
    while data[at] != 0x3B:
        if data[at] == 0x2C:
            pictures += 1
            at += 10 + _table(data[at + 9]) + 1
        elif data[at] == 0x21:
            at += 2
        else:
            return None
        while data[at]:
            at += 1 + data[at]
        at += 1
    return Image("gif", width, height) if pictures else None


def _table(flags: int) -> int:
    """Return how many bytes of colours follow."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _webp(data: bytes) -> Image | None:
    (length,) = struct.unpack_from("<I", data, 4)
    if data[8:12] != b"WEBP" or length + 8 > len(data):
        return None
    match data[12:16]:
        case b"VP8X":
            width, height = int.from_bytes(data[24:27], "little"), int.from_bytes(data[27:30], "little")
            return Image("webp", width + 1, height + 1)
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return Image("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1) if data[20] == 0x2F else None
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return Image("webp", width & 0x3FFF, height & 0x3FFF) if data[23:26] == b"\x9d\x01\x2a" else None
    return None


_KINDS = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"RIFF", _webp),
)
