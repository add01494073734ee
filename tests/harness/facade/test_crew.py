"""Calls begin at once, go on as tasks where they must wait, and never outlive what they belong to."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import anyio
import pytest

from toolscript.facade.crew import Crew

pytestmark = pytest.mark.anyio

COLOUR: ContextVar[str] = ContextVar("colour", default="none")


async def ready(crew: Crew) -> None:
    """Let the crew's first hand come up, as the start of a worker does."""
    crew.prepare()
    await anyio.lowlevel.checkpoint()


async def test_what_need_not_wait_has_ended_when_it_has_begun() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        done.append(number)

    async with Crew() as crew:
        await ready(crew)
        for number in range(3):
            crew.begin(work(number))
            assert done[-1] == number


async def test_several_that_begin_together_begin_in_their_order_whether_one_waits_or_not() -> None:
    gate, told = anyio.Event(), list[str]()

    async def work(number: int) -> None:
        told.append(f"{number} begins")
        if number == 1:
            await gate.wait()
        told.append(f"{number} ends")

    async with Crew() as crew:
        await ready(crew)
        crew.begin(*map(work, range(4)))
        assert told == ["0 begins", "0 ends", "1 begins"]
        gate.set()
    assert [line for line in told if line.endswith("begins")] == [f"{number} begins" for number in range(4)]
    assert sorted(line for line in told if line.endswith("ends")) == [f"{number} ends" for number in range(4)]


async def test_all_that_waits_goes_on_side_by_side_and_is_waited_for() -> None:
    started, gate, done = list[int](), anyio.Event(), list[int]()

    async def work(number: int) -> None:
        started.append(number)
        if len(started) == 4:
            gate.set()
        await gate.wait()
        done.append(number)

    async with Crew() as crew:
        for number in range(4):  # before its first hand has come up, too
            crew.begin(work(number))
    assert sorted(done) == [0, 1, 2, 3]


async def test_the_first_step_and_all_others_are_of_one_task_and_one_context() -> None:
    seen: list[asyncio.Task[None] | None] = []

    async def work() -> None:
        seen.append(asyncio.current_task())
        token = COLOUR.set("red")
        with anyio.fail_after(5):  # a scope that begins in the first step ends in a later one
            await asyncio.sleep(0)
        assert COLOUR.get() == "red"
        COLOUR.reset(token)
        seen.append(asyncio.current_task())

    host = asyncio.current_task()
    async with Crew() as crew:
        await ready(crew)
        crew.begin(work())
        assert asyncio.current_task() is host
        assert COLOUR.get() == "none"
    assert seen[0] is seen[1]
    assert seen[0] is not host


async def test_a_hand_that_went_on_with_something_takes_the_next_first_step() -> None:
    async with Crew() as crew:
        await ready(crew)
        for _ in range(3):
            waited = anyio.Event()
            tasks: list[asyncio.Task[None] | None] = []

            async def work(waited: anyio.Event = waited, tasks: list[asyncio.Task[None] | None] = tasks) -> None:
                tasks.append(asyncio.current_task())
                await asyncio.sleep(0)
                waited.set()

            crew.begin(work())
            await waited.wait()
            await anyio.lowlevel.checkpoint()
        assert len(crew._hands) == 1


async def test_what_was_begun_ends_with_an_error_and_its_shielded_part_is_left_in_peace() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                done.append("tidied up")

    with pytest.raises(RuntimeError, match="the script failed"):
        async with Crew() as crew:
            await ready(crew)
            crew.begin(work())
            crew.begin(work())
            await anyio.lowlevel.checkpoint()
            raise RuntimeError("the script failed")
    assert done == ["tidied up", "tidied up"]


async def test_cancelling_the_scope_ends_everything_and_no_more() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("a call")

    async with Crew() as crew:
        await ready(crew)
        crew.begin(work())
        crew.scope.cancel()
        await anyio.sleep_forever()
    assert ended == ["a call"]


async def test_a_cancellation_while_it_waits_for_the_rest_ends_the_rest_and_is_passed_on() -> None:
    ended, inside = list[str](), anyio.Event()

    async def work() -> None:
        inside.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0)
            ended.append("a call")

    async def run() -> None:
        async with Crew() as crew:
            crew.begin(work())

    task = asyncio.create_task(run())
    await inside.wait()
    await anyio.lowlevel.checkpoint()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["a call"]


async def test_calls_that_are_cancelled_before_their_task_went_on_hear_of_it() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            ended.append("a call")
            raise

    async with Crew() as crew:
        await ready(crew)
        crew.begin(work())
        crew.cancel()
    assert ended == ["a call"]


async def test_calls_that_wait_for_the_same_future_all_hear_of_it() -> None:
    shared: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    done: list[int] = []

    async def work() -> None:
        done.append(await shared)

    async with Crew() as crew:
        for _ in range(3):
            crew.prepare()
        await anyio.lowlevel.checkpoint()
        for _ in range(3):
            crew.begin(work())
        shared.set_result(7)
    assert done == [7, 7, 7]


async def test_a_cancellation_between_the_first_step_and_the_next_reaches_the_work() -> None:
    done: list[str] = []

    async def timed() -> None:
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(10)
        except TimeoutError:
            done.append("timed out")

    async def cancels_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            done.append("cancelled")
            raise

    async with Crew() as crew:
        await ready(crew)
        crew.begin(timed())
        crew.begin(cancels_itself())
        with anyio.fail_after(5):
            while len(done) < 2:
                await anyio.lowlevel.checkpoint()
    assert sorted(done) == ["cancelled", "timed out"]


async def test_work_that_ends_cancelled_in_its_first_step_ends_nothing_else() -> None:
    done: list[str] = []

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def work() -> None:
        done.append("the next")

    async with Crew() as crew:
        await ready(crew)
        crew.begin(cancelled())
        crew.begin(work())
    assert done == ["the next"]
