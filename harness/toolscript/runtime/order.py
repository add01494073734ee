"""Decides how a worker reads what it is told to run; the host, which never reads it, does not load this."""

from __future__ import annotations

from typing import NamedTuple

from toolscript.errors import ProtocolFault
from toolscript.runtime.engine import Script
from toolscript.runtime.frames import Parts
from toolscript.runtime.wire import ALONE, LAST_EXPRESSION, PREPARED, START_HEAD


class StartOrder(NamedTuple):
    """What a worker is told to run; ``last_expression`` matters only for a script that is not prepared."""

    serial: int
    prepared: bool
    last_expression: bool
    alone: bool
    script: Script


def decode_start(parts: Parts) -> StartOrder:
    """Return what the worker shall run. Raises ProtocolFault."""
    if len(parts) != 7 or len(parts[0]) != START_HEAD.size:
        raise ProtocolFault(f"a start frame has {len(parts)} parts, or a head of another size")
    serial, flags, guest_seconds, heap_bytes, stack_bytes = START_HEAD.unpack(parts[0])
    config, code, facade, params, context, store = (part.decode() for part in parts[1:])
    script = Script(
        code=code, config=config, facade=facade, params=params, context=context, store=store,
        guest_seconds=guest_seconds, heap_bytes=heap_bytes, stack_bytes=stack_bytes,
    )  # fmt: skip
    return StartOrder(serial, bool(flags & PREPARED), bool(flags & LAST_EXPRESSION), bool(flags & ALONE), script)
