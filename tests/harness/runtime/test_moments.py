"""Moments that hardly ever come: each is called once, in time, and only if nobody thought better of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from toolscript.runtime.moments import Moments


def timers() -> list[asyncio.TimerHandle]:
    return [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]


class Called(list[str]):
    def by(self, name: str) -> Callable[[], None]:
        return lambda: self.append(name)

    async def come_to(self, count: int) -> None:
        with anyio.fail_after(5):
            while len(self) < count:
                await anyio.sleep(0.001)


@pytest.mark.anyio
async def test_each_is_called_once_in_the_order_of_their_moments():
    moments, called = Moments(), Called()
    for name, seconds in (("last", 0.03), ("first", 0.0), ("second", 0.01)):
        moments.wait(name, seconds, called.by(name))

    await called.come_to(3)

    assert called == ["first", "second", "last"]
    assert not any(name in moments for name in called)
    assert not timers()


@pytest.mark.anyio
async def test_who_waits_anew_or_no_longer_is_not_called_for_what_was_before():
    moments, called = Moments(), Called()
    moments.wait("later", 0.0, called.by("too soon"))
    moments.wait("later", 0.02, called.by("later"))
    moments.wait("sooner", 600, called.by("too late"))
    moments.wait("sooner", 0.01, called.by("sooner"))
    moments.wait("gone", 0.0, called.by("gone"))
    moments.forget("gone")
    moments.forget("never there")

    await called.come_to(2)

    assert called == ["sooner", "later"]


@pytest.mark.anyio
async def test_many_who_wait_anew_again_and_again_share_one_timer():
    moments = Moments()
    for turn in range(100):
        moments.wait(turn % 10, 600 + turn, lambda: None)
    assert len(timers()) == 1

    moments.close()
    assert not timers()


@pytest.mark.anyio
async def test_one_who_is_called_may_wait_again_and_may_end_or_put_off_the_waiting_of_others():
    moments, called = Moments(), Called()

    def once() -> None:
        called.append("once")
        moments.wait("once", 0.001, called.by("again"))
        moments.forget("other")
        moments.wait("third", 0.01, called.by("third"))

    moments.wait("once", 0.0, once)
    moments.wait("other", 0.0, called.by("other"))
    moments.wait("third", 0.0, called.by("third, too soon"))

    await called.come_to(3)
    assert called == ["once", "again", "third"]


@pytest.mark.anyio
async def test_one_that_fails_takes_no_other_with_it():
    moments, called, told = Moments(), Called(), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

    def fails() -> None:
        raise RuntimeError("broken")

    moments.wait("broken", 0.0, fails)
    moments.wait("whole", 0.0, called.by("whole"))

    await called.come_to(1)
    assert [str(context["exception"]) for context in told] == ["broken"]
