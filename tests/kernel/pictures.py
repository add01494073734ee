"""Real PNG files for tests, made without a library."""

from __future__ import annotations

import base64
import random
import struct
import zlib


def png(width: int, height: int, *, noise: bool = False) -> bytes:
    """Return an RGB picture: a gradient, or noise, which does not compress."""
    rng = random.Random(1)
    rows = b"".join(
        b"\0"
        + (
            rng.randbytes(3 * width)
            if noise
            else bytes(v for x in range(width) for v in (255 * x // width, 255 * y // height, 128))
        )
        for y in range(height)
    )
    head = struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    body = b"".join(struct.pack("!I", len(d)) + k + d + struct.pack("!I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def output(width: int = 320, height: int = 160, **how: bool) -> dict[str, object]:
    """Return what viewImage gives for such a picture."""
    data = png(width, height, **how)
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return {"imageUrl": url, "mimeType": "image/png", "bytes": len(data), "width": width, "height": height}
