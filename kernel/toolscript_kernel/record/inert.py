"""Decides how hostile text becomes visible and harmless in each form that the record takes."""

from __future__ import annotations

import html
import re

from toolscript.errors import Json
from toolscript.language.inert import uncontrolled

_SGR = re.compile(r"(\x1b\[[0-9;]{0,40}m)")
_TICKS = re.compile(r"`+")


def text(value: str) -> str:
    """Return the text with what could move a cursor, hide or reorder shown as a mark; newlines and tabs stay."""
    return uncontrolled(value.replace("\r\n", "\n"), _mark)


def sound(value: Json) -> Json:
    """Return JSON that UTF-8 can carry, keys included: halves of characters become ``\ufffd``."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {sound(k): sound(v) for k, v in value.items()}
    return [sound(v) for v in value] if isinstance(value, list | tuple) else value


def coloured(value: str) -> str:
    """Return the text as :func:`text` does, but with a terminal's colours left in: only ``ESC [ … m`` stays."""
    return "".join(part if index % 2 else text(part) for index, part in enumerate(_SGR.split(value)))


def one_line(value: str, width: int = 120) -> str:
    """Return the text on one line, its middle left out beyond ``width`` characters."""
    flat = text(value).replace("\n", "⏎").replace("\t", " ")
    if len(flat) <= width:
        return flat
    head = (width - 3) * 2 // 3
    return f"{flat[:head]} … {flat[-(width - 3 - head) :]}"


def markup(value: str) -> str:
    """Return the text escaped for HTML, in text and in quoted attributes."""
    return html.escape(text(value), quote=True)


def fence(value: str, language: str = "") -> str:
    """Return a Markdown code block that its content cannot close."""
    longest = max((len(run) for run in _TICKS.findall(value)), default=0)
    bar = "`" * max(3, longest + 1)
    return f"{bar}{language}\n{text(value).rstrip(chr(10))}\n{bar}"


def span(value: str) -> str:
    """Return Markdown inline code that holds the text on one line, also inside a table cell."""
    flat = one_line(value).replace("|", "\\|")
    longest = max((len(run) for run in _TICKS.findall(flat)), default=0)
    bar = "`" * (longest + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{bar}{pad}{flat}{pad}{bar}" if flat else ""


def _mark(c: str) -> str:
    code = ord(c)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"
