"""Decides when a request is sent again: jitter, Retry-After, and one new start for a reply cut in the middle."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import anyio

from toolscript.errors import ProviderError
from toolscript.models.adapter import Finished, ModelEvent, Restarting
from toolscript.models.errors import RETRYABLE, failure
from toolscript.models.settings import RetryPolicy

Attempt = Callable[[], AsyncGenerator[ModelEvent, None]]


@dataclass(slots=True)
class _Tally:
    failures: int = 0
    cuts: int = 0


async def retried(
    attempt: Attempt,
    policy: RetryPolicy,
    *,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    chance: Callable[[], float] = random.random,
) -> AsyncIterator[ModelEvent]:
    """Yield the events of one reply, sending the request again where that can help.

    Before each new start comes ``Restarting``: all events before it are void. A consumer that has acted on
    them (a script runs) closes the iterator instead of going on, and nothing is sent again. Failures before
    the first event are retried ``policy.attempts`` times in all, a cut or broken reply once. Raises ProviderError.
    """
    tally = _Tally()
    while True:
        begun = False
        try:
            async with aclosing(_whole(attempt())) as events:
                async for event in events:
                    begun = True
                    yield event
            return
        except ProviderError as error:
            delay = _delay(error, tally, policy, begun, chance())
            if delay is None:
                raise
            again = Restarting(error=error.to_json(), seconds=delay)
        yield again
        await sleep(delay)


async def _whole(events: AsyncGenerator[ModelEvent, None]) -> AsyncGenerator[ModelEvent, None]:
    """Yield the events up to ``Finished``; a stream that ends without it was cut."""
    async with aclosing(events):
        async for event in events:
            yield event
            if isinstance(event, Finished):
                return
    raise failure("provider_stream_cut")


def _delay(error: ProviderError, tally: _Tally, policy: RetryPolicy, begun: bool, chance: float) -> float | None:
    """Return how long to wait before the next start, None to give up."""
    if error.code not in RETRYABLE:
        return None
    broken = begun or error.code in ("provider_malformed", "provider_stream_cut")
    tally.cuts += broken
    tally.failures += not broken
    if tally.cuts > 1 or tally.failures >= policy.attempts:
        return None
    asked = error.details.get("retry_after")
    if asked is not None:
        return float(asked) if asked <= policy.patience else None
    # Full jitter below half, so that a provider's stampede spreads out but nobody returns at once.
    ceiling = min(policy.cap, policy.base * 2.0 ** max(0, tally.failures - 1))
    return ceiling * (0.5 + chance / 2)
