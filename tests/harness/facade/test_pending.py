"""What a waiting script waits for: the tape, the wall clock and timers."""

from __future__ import annotations

import anyio
import pytest

from toolscript.errors import WallTimeExceeded
from toolscript.facade.clock import WallClock
from toolscript.facade.pending import Outcome, Pending
from toolscript.journal.records import MemoryJournal

pytestmark = pytest.mark.anyio


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(limit: float = 600.0) -> tuple[Pending, Time, MemoryJournal]:
    time, journal = Time(), MemoryJournal()
    return Pending(WallClock(limit, time), journal, now=time), time, journal


async def test_outcomes_come_in_the_order_of_their_records():
    pending, _, journal = make()
    for number in (1, 2, 3):
        pending.begin(number)

    for number in (2, 3, 1):
        pending.deliver(Outcome(number=number, ok=True, value=str(number)))

    assert [s.number for s in await pending.next()] == [2, 3, 1] == [r.number for r in journal.records]


async def test_a_late_or_doubled_outcome_is_dropped():
    pending, _, journal = make()
    pending.begin(1)

    pending.deliver(Outcome(number=1, ok=True, value="1"))
    pending.deliver(Outcome(number=1, ok=True, value="2"))
    pending.deliver(Outcome(number=9, ok=True, value="9"))

    assert [s.value for s in await pending.next()] == ["1"]
    assert len(journal.records) == 1


async def test_the_wall_clock_stops_only_while_every_call_waits_for_a_person():
    pending, time, _ = make(limit=10)
    pending.begin(1)
    pending.begin(2)
    pending.asking(1, True)
    time.now = 4.0

    assert (await pending.next(wake_after=0.001), pending.clock.elapsed) == ([], 4.0)
    pending.asking(2, True)
    await pending.next(wake_after=0.001)
    time.now = 1_000.0

    assert (await pending.next(wake_after=0.001), pending.clock.elapsed) == ([], 4.0)
    pending.asking(1, False)
    await pending.next(wake_after=0.001)
    time.now = 1_007.0
    with pytest.raises(WallTimeExceeded):
        await pending.next(wake_after=0.001)


async def test_a_timer_stands_still_with_the_wall_clock():
    pending, time, _ = make()
    pending.begin(1)
    pending.set_timer(2, 1_000)
    pending.asking(1, True)
    await pending.next(wake_after=0.001)
    time.now = 50.0

    assert await pending.next(wake_after=0.001) == []
    pending.asking(1, False)
    await pending.next(wake_after=0.001)
    time.now = 51.0

    assert [s.number for s in await pending.next(wake_after=0.001)] == [2]


async def test_timers_fire_in_the_order_in_which_they_are_due():
    pending, time, _ = make()
    pending.set_timer(1, 300)
    pending.set_timer(2, 100)
    pending.set_timer(3, 200)
    pending.clear_timer(3)
    time.now = 1.0

    assert [s.number for s in await pending.next()] == [2, 1]
    assert pending.idle


async def test_an_outcome_wakes_the_waiter():
    pending, _, _ = make()
    pending.begin(1)
    async with anyio.create_task_group() as group:
        group.start_soon(_deliver_soon, pending)

        assert [s.number for s in await pending.next()] == [1]


async def _deliver_soon(pending: Pending) -> None:
    await anyio.lowlevel.checkpoint()
    pending.deliver(Outcome(number=1, ok=True, value="null"))


async def test_the_guests_clock_never_runs_backwards():
    pending, time, _ = make()
    for number, moment in ((1, 5.0), (2, 3.0)):
        time.now = moment
        pending.begin(number)
        pending.deliver(Outcome(number=number, ok=True, value="null"))

    assert [s.time_ms for s in await pending.next()] == [5000, 5000]
