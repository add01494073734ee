"""When a request is sent again."""

from __future__ import annotations

import pytest

from toolscript.errors import ProviderError
from toolscript.models.adapter import Finished, Restarting, TextDelta
from toolscript.models.retry import retried
from toolscript.models.settings import RetryPolicy

pytestmark = pytest.mark.anyio

END = Finished(reason="stop")


def failed(code="provider_server", **details):
    return ProviderError("no", code=code, details=details)


class Attempts:
    def __init__(self, *attempts):
        self.attempts = list(attempts)
        self.made = 0
        self.waits = []

    def __call__(self):
        self.made += 1
        return self._play(self.attempts[self.made - 1])

    async def _play(self, events):
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield event

    async def sleep(self, seconds):
        self.waits.append(seconds)

    async def run(self, policy=RetryPolicy(base=1, cap=3)):  # noqa: B008
        return [e async for e in retried(self, policy, sleep=self.sleep, chance=lambda: 1.0)]


async def test_a_reply_that_comes_is_passed_on():
    attempts = Attempts([TextDelta("a"), END])

    assert await attempts.run() == [TextDelta("a"), END]
    assert attempts.waits == []


async def test_waiting_doubles_up_to_the_cap():
    attempts = Attempts([failed()], [failed()], [failed()], [failed()], [END])

    await attempts.run(RetryPolicy(attempts=5, base=1, cap=3))

    assert attempts.waits == [1, 2, 3, 3]


async def test_jitter_takes_up_to_half_off():
    attempts = Attempts([failed()], [END])
    [_ async for _ in retried(attempts, RetryPolicy(base=1), sleep=attempts.sleep, chance=lambda: 0.0)]

    assert attempts.waits == [0.5]


async def test_the_provider_says_how_long():
    attempts = Attempts([failed("provider_rate_limit", retry_after=42.0)], [END])

    await attempts.run()

    assert attempts.waits == [42.0]


async def test_beyond_patience_nobody_waits():
    attempts = Attempts([failed("provider_rate_limit", retry_after=121.0)])

    with pytest.raises(ProviderError):
        await attempts.run()
    assert attempts.waits == []


async def test_after_all_attempts_the_last_error_is_raised():
    attempts = Attempts(*[[failed()]] * 4)

    with pytest.raises(ProviderError):
        await attempts.run()
    assert attempts.made == 4


async def test_what_cannot_succeed_is_not_tried_again():
    attempts = Attempts([failed("provider_auth")])

    with pytest.raises(ProviderError):
        await attempts.run()
    assert attempts.made == 1


async def test_a_cut_reply_begins_anew_once_and_says_so():
    attempts = Attempts([TextDelta("a"), failed("provider_stream_cut")], [TextDelta("b"), END])

    events = await attempts.run()

    assert [type(e).__name__ for e in events] == ["TextDelta", "Restarting", "TextDelta", "Finished"]


async def test_a_reply_without_an_end_is_a_cut_one():
    attempts = Attempts([TextDelta("a")], [TextDelta("b")])

    with pytest.raises(ProviderError) as caught:
        await attempts.run()
    assert caught.value.code == "provider_stream_cut"
    assert attempts.made == 2


async def test_a_consumer_that_stops_at_a_restart_causes_no_request():
    attempts = Attempts([TextDelta("a"), failed("provider_stream_cut")], [END])
    events = retried(attempts, RetryPolicy(), sleep=attempts.sleep)

    async for event in events:
        if isinstance(event, Restarting):
            break
    await events.aclose()

    assert attempts.made == 1
    assert attempts.waits == []
