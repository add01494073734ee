"""Decides where the harness's own log goes: to stderr, with plain tracebacks that never show values of variables."""

from __future__ import annotations

import sys
from typing import Any

import structlog


class _Stderr:
    """Writes to whatever stderr is at the moment of writing."""

    def msg(self, message: str) -> None:
        print(message, file=sys.stderr)

    warning = error = exception = critical = msg


def get_logger(name: str) -> Any:
    """Return a logger for unexpected failures. The rich tracebacks of the default would print locals: secrets."""
    render = structlog.processors.KeyValueRenderer(key_order=["event", "room"], drop_missing=True)
    chain: list[Any] = [structlog.processors.format_exc_info, render]
    return structlog.wrap_logger(_Stderr(), processors=chain, room=name)
