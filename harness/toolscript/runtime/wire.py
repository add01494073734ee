"""Decides how a script's inputs cross to the worker; nothing in them is trusted less than the host itself."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from toolscript.errors import ProtocolFault
from toolscript.runtime.frames import Kind, Parts, encode, encode_settlement
from toolscript.runtime.session import FacadeEntry, Settlement, Start

_ENGINE_LIMITS = (
    "guest_seconds", "heap_bytes", "stack_bytes", "calls", "timers", "argument_bytes", "result_bytes", "store_bytes",
    "console_bytes",
)  # fmt: skip


@lru_cache(maxsize=64)
def facade_text(facade: tuple[FacadeEntry, ...]) -> str:
    """Return the tree of tools as JSON: ``c`` children by name, ``p`` positional arguments, ``f`` global names."""
    root: dict[str, Any] = {"c": {}, "f": []}
    for entry in facade:
        node = root
        for name in entry.path:
            node = node.setdefault("c", {}).setdefault(name, {})
        node["p"] = list(entry.positional)
        if entry.flat and len(entry.path) == 1:
            root["f"].append(entry.path[0])
    return json.dumps(root)


def encode_start(start: Start, serial: int) -> bytes:
    """Return the frame that starts a worker's script number ``serial``."""
    limits = start.limits
    config = {name: getattr(limits, name) for name in _ENGINE_LIMITS}
    config |= {
        "seed": start.seed, "time_ms": start.time_ms, "task_prefix": start.task_prefix, "serial": serial,
        "prepared": start.prepared is not None, "last_expression": start.last_expression,
    }  # fmt: skip
    code = start.source if start.prepared is None else start.prepared
    texts = (json.dumps(config), code, facade_text(start.facade), start.params, start.context, start.store)
    return encode(Kind.START, [json_bytes(text) for text in texts])


def encode_settle(settlement: Settlement) -> bytes:
    """Return the frame that settles one promise."""
    return encode_settlement(settlement.number, settlement.ok, json_bytes(settlement.value), settlement.time_ms)


def json_bytes(text: str) -> bytes:
    """Return UTF-8; half a character in a JSON text becomes its escape, which means the same."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def decode_start(parts: Parts) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration and the five texts after it. Raises ProtocolFault."""
    if len(parts) != 6:
        raise ProtocolFault(f"a start frame has {len(parts)} parts instead of 6")
    config: dict[str, Any] = json.loads(parts[0])
    return config, [part.decode() for part in parts[1:]]
