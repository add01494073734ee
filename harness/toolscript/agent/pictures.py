"""Decides which images in a result a model is shown, and what stands in their place in its text."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from toolscript.errors import Json, ToolscriptError

MAX_IMAGES = 8
"""How many images one output shows at most."""
MAX_BYTES = 3_750_000
"""Of one image; as base64 that is what the strictest of the providers takes."""

Fetch = Callable[[str], bytes]
"""Returns what lies behind a handle. Raises ToolscriptError for an unknown one."""

_URL = re.compile(r"data:image/[a-z+.-]{1,20};base64,([A-Za-z0-9+/]+={0,2})")
_MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "gif": b"GIF8", "webp": b"RIFF"}


@dataclass(frozen=True, slots=True)
class Pictured:
    """A value with its images taken out: ``[image 1]`` stands for the first. ``images`` are data URLs."""

    value: Json
    images: tuple[str, ...] = ()


def pictured(value: Json, fetch: Fetch) -> Pictured:
    """Return the value without its images, and these.

    An image is a text that is one data URL, or a block ``{type: "image", data | handle}`` as MCP servers send.
    What only claims to be one stays as it is: a provider would refuse the whole request for it, again and again.
    """
    taking = _Taking(fetch)
    return Pictured(taking.out_of(value), tuple(taking.images))


def without_urls(text: str, images: tuple[str, ...]) -> str:
    """Return a text with the data URLs of these images replaced by their names."""
    for number, url in enumerate(images, start=1):
        text = text.replace(url, _name(number))
    return text


@dataclass(slots=True)
class _Taking:
    fetch: Fetch
    images: list[str] = field(default_factory=list)

    def out_of(self, value: Json) -> Json:
        match value:
            case str():
                return self._of_text(value)
            case {"type": "image"}:
                return self._of_block(value)
            case dict():
                return {name: self.out_of(item) for name, item in value.items()}
            case list() | tuple():
                return [self.out_of(item) for item in value]
            case _:
                return value

    def _of_text(self, text: str) -> Json:
        found = _URL.fullmatch(text) if text.startswith("data:image/") else None
        return (found and self._take(_decoded(found[1]))) or text

    def _of_block(self, block: dict[str, Json]) -> Json:
        data, handle = block.get("data"), block.get("handle")
        if isinstance(data, str) and (name := self._take(_decoded(data))):
            return block | {"data": name}
        if isinstance(handle, str) and (name := self._take(self._kept(handle))):
            return block | {"shown": name}
        return block

    def _kept(self, handle: str) -> bytes:
        try:
            return self.fetch(handle)
        except ToolscriptError:
            return b""

    def _take(self, data: bytes) -> str | None:
        """Return the name of an image that is now shown; None for what is none."""
        kind = next((kind for kind, magic in _MAGIC.items() if data.startswith(magic)), None)
        if kind is None or len(data) > MAX_BYTES or (kind == "webp" and data[8:12] != b"WEBP"):
            return None
        url = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        if url not in self.images:
            if len(self.images) >= MAX_IMAGES:
                return f"[an image beyond the {MAX_IMAGES} that one output shows]"
            self.images.append(url)
        return _name(self.images.index(url) + 1)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _name(number: int) -> str:
    return f"[image {number}]"
