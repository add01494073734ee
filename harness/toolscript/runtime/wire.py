"""Decides how a script's inputs cross to the worker; nothing in them is trusted less than the host itself."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from operator import methodcaller
from typing import TYPE_CHECKING, Any

from toolscript.memo import Latest
from toolscript.runtime.frames import Kind, Splitter, encode, encode_settlement

if TYPE_CHECKING:
    from toolscript.limits import Limits
    from toolscript.runtime.session import FacadeEntry, Settlement, Start

START_HEAD = struct.Struct("!IBdQQ")
PREPARED, LAST_EXPRESSION, ALONE = 1, 2, 4
_GUEST_LIMITS = ("calls", "timers", "argument_bytes", "result_bytes", "store_bytes", "console_bytes")


json_bytes: Callable[[str], bytes] = methodcaller("encode", "utf-8", "backslashreplace")
"""Returns UTF-8; half a character in a JSON text becomes its escape, which means the same."""


@Latest
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


@Latest
def _limits_text(limits: Limits) -> str:
    return json.dumps({name: getattr(limits, name) for name in _GUEST_LIMITS})[1:-1]


def encode_start(start: Start, serial: int, furnished: str, *, alone: bool = False) -> bytes:
    """Return the frame that starts a worker's script number ``serial``.

    ``furnished`` is the facade that the worker's engine already has; if it is the script's, it is not sent. ``alone``
    tells that a processor is to spare for it.
    """
    limits = start.limits
    prepared = start.prepared is not None
    flags = (PREPARED if prepared else 0) | (LAST_EXPRESSION if start.last_expression else 0)
    flags |= ALONE if alone else 0
    config = (
        f'{{{_limits_text(limits)},"seed":{start.seed:d},"time_ms":{start.time_ms:d},'
        f'"task_prefix":{json.dumps(start.task_prefix)}}}'
    )
    code = start.source if start.prepared is None else start.prepared
    facade = facade_text(start.facade)
    texts = (config, code, "" if facade == furnished else facade, start.params, start.context, start.store)
    head = START_HEAD.pack(serial, flags, limits.guest_seconds, limits.heap_bytes, limits.stack_bytes)
    return encode(Kind.START, [head, *map(json_bytes, texts)])


def encode_rouse(example: Start) -> bytes:
    """Return the frame that has a worker get ready: it holds what a start would, which the worker only reads."""
    start = encode_start(example, 0, "")
    ((_, parts),) = Splitter(len(start)).feed(start)
    return encode(Kind.ROUSE, parts)


def encode_settle(settlement: Settlement) -> bytes:
    """Return the frame that settles one promise."""
    return encode_settlement(settlement.number, settlement.ok, json_bytes(settlement.value), settlement.time_ms)
