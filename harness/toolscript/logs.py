"""Decides where the harness's own log goes: to stderr, with plain tracebacks that never show values of variables."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import Any


class _Stderr:
    """Writes to whatever stderr is at the moment of writing."""

    def msg(self, message: str) -> None:
        print(message, file=sys.stderr)

    warning = error = exception = critical = msg


class Log:
    """Writes down unexpected failures; what it writes with is loaded by the first of them, not by every command."""

    def __init__(self, name: str) -> None:
        self._name = name

    def exception(self, event: str, **values: Any) -> None:
        """Write down the exception that is being handled."""
        self._logger.exception(event, **values)

    @cached_property
    def _logger(self) -> Any:
        import structlog

        # The rich tracebacks of the default would print locals: secrets.
        render = structlog.processors.KeyValueRenderer(key_order=["event", "room"], drop_missing=True)
        chain: list[Any] = [structlog.processors.format_exc_info, render]
        return structlog.wrap_logger(_Stderr(), processors=chain, room=self._name)


def get_logger(name: str) -> Log:
    """Return a logger for unexpected failures."""
    return Log(name)
