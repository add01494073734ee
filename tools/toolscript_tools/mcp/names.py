"""Decides under which names a server's tools stand on the facade and in structured calls."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

LONGEST = 64
"""Characters of a structured call's whole name, ``mcp__<server>__<tool>``."""

LONGEST_SERVER = 32

_TAKEN_BY_JAVASCRIPT = frozenset(
    {
        "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "__proto__", "catch",
        "constructor", "finally", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "prototype", "then",
        "toJSON", "toLocaleString", "toString", "valueOf",
    }
)  # fmt: skip
"""Members by which the language would take the facade for something else (``await tools.mcp`` calls ``then``)."""


def server_keys(names: Iterable[str]) -> dict[str, str]:
    """Return for each server's name its key on the facade; none holds two underscores in a row or at an end.

    So the key can be told from the tool's name in ``mcp__<server>__<tool>``. Names that come out equal, or too long,
    are told apart by a hash of what they were, whatever the order.
    """
    names = list(dict.fromkeys(names))
    plain = {name: _server_key(name) for name in names}
    count = Counter(plain.values())
    return {
        name: _hashed(key, name, LONGEST_SERVER) if count[key] > 1 or len(key) > LONGEST_SERVER else key
        for name, key in plain.items()
    }


def tool_keys(server: str, key: str, tools: Iterable[str]) -> dict[str, str]:
    """Return for each of a server's tool names its key below the server's key."""
    tools = list(dict.fromkeys(tools))
    room = LONGEST - len(f"mcp__{key}__")
    plain = {name: _identifier(name) for name in tools}
    count = Counter(plain.values())
    return {
        name: _hashed(short, f"mcp__{server}__{name}", room) if count[short] > 1 or len(short) > room else short
        for name, short in plain.items()
    }


def _server_key(name: str) -> str:
    key = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "server"
    return f"{key}_server" if key in _TAKEN_BY_JAVASCRIPT else key


def _identifier(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name) or "_"
    return f"{plain}_" if plain in _TAKEN_BY_JAVASCRIPT else plain


def _hashed(key: str, identity: str, room: int) -> str:
    digest = hashlib.sha1(identity.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()[:12]
    return f"{key[: room - 13]}_{digest}"
