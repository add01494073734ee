"""Cancels a coroutine at its N-th wait, so that cancellation can be tried at every one of them."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from typing import Any

import anyio


@dataclass
class Attempt:
    """What became of a coroutine: ``waits`` it made, and its result unless it was cancelled."""

    waits: int = 0
    result: Any = None
    cancelled: bool = False


async def cancelled_at(wait: int, coroutine: Coroutine[Any, Any, Any]) -> Attempt:
    """Run a coroutine and cancel it when it waits for the ``wait``-th time."""
    attempt = Attempt()
    with anyio.CancelScope() as scope:
        attempt.result = await _counted(coroutine, wait, scope, attempt)
    attempt.cancelled = scope.cancelled_caught
    return attempt


@types.coroutine
def _counted(
    coroutine: Coroutine[Any, Any, Any], wait: int, scope: anyio.CancelScope, attempt: Attempt
) -> Generator[Any, Any, Any]:
    value: Any = None
    error: BaseException | None = None
    while True:
        try:
            waited = coroutine.send(value) if error is None else coroutine.throw(error)
        except StopIteration as end:
            return end.value
        attempt.waits += 1
        if attempt.waits == wait:
            scope.cancel()
        try:
            value, error = (yield waited), None
        except BaseException as raised:
            value, error = None, raised
