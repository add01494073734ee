"""A lone script's worker keeps off the processor of its host while that looks for answers, and only then."""

from __future__ import annotations

import os

import anyio
import pytest
from tests.harness.runtime.playing import LOOP, next_of, play, start_of

from toolscript.runtime.placing import LEFT_SECONDS, SOON_SECONDS, Placing, processors
from toolscript.runtime.pool import Pool
from toolscript.runtime.process import WorkerProcess
from toolscript.runtime.session import Settlement

ALL = processors()
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not hasattr(os, "sched_setaffinity") or len(ALL) < 2, reason="processes cannot be kept off a processor here"
    ),
]


def where(worker: WorkerProcess) -> set[int]:
    return set(os.sched_getaffinity(worker.pid))


def kept_off_one(worker: WorkerProcess) -> bool:
    return len(ALL - where(worker)) == 1


async def anywhere(worker: WorkerProcess) -> None:
    """Wait until a worker may run on all processors."""
    with anyio.fail_after(10):
        while where(worker) != ALL:
            await anyio.sleep(0.001)


async def test_a_worker_is_kept_off_the_hosts_processor_once_it_is_roused():
    async with Pool(min_size=1, max_size=1) as pool:
        worker = await next_of(pool)
        assert where(worker) == ALL
        pool.rouse()
        assert kept_off_one(worker)


async def test_it_gets_no_processor_that_the_host_has_given_up():
    few = set(sorted(ALL)[:1])
    async with Pool(min_size=1, max_size=1) as pool:
        worker = await next_of(pool)
        pool.rouse()
        assert kept_off_one(worker)
        placing = Placing(lambda: few)
        placing.keep_off(worker)
        placing.anywhere(worker)
        assert where(worker) == few


async def test_it_stays_so_as_long_as_the_host_looks_for_its_answers(monkeypatch):
    monkeypatch.setattr("toolscript.runtime.lease.LOOK_SECONDS", 10.0)
    async with Pool(min_size=1, max_size=1) as pool:
        worker = await next_of(pool)
        pool.rouse()
        async with pool.checkout() as session:
            batch = await session.start(start_of(LOOP))
            while batch.ended is None:
                number = batch.messages[0].number
                (batch,) = await session.settle([Settlement(number=number, ok=True, value="1", time_ms=number)])
                assert kept_off_one(worker)


async def test_a_script_that_computes_may_run_where_its_host_sleeps():
    async with Pool(min_size=1, max_size=1) as pool:
        worker = await next_of(pool)
        pool.rouse()
        assert kept_off_one(worker)
        async with pool.checkout() as session, anyio.create_task_group() as group:
            group.start_soon(session.start, start_of("for (;;) {}"))
            await anywhere(worker)
            group.cancel_scope.cancel()


async def test_two_that_run_at_once_run_anywhere():
    async with Pool(min_size=2, max_size=2) as pool:
        worker = await next_of(pool, ready=2)
        pool.rouse()
        async with pool.checkout():
            assert kept_off_one(worker)
            async with pool.checkout():
                assert where(worker) == ALL


async def test_scripts_run_where_processes_cannot_be_kept_off_a_processor(monkeypatch):
    def refused(pid: int, processors: object) -> None:
        raise PermissionError(1, "not here")

    monkeypatch.setattr(os, "sched_setaffinity", refused)
    async with Pool(min_size=1, max_size=1) as pool:
        worker = await next_of(pool)
        assert (await play(pool, "return await tools.echo({n: 1});")).result == {"n": 1}
        assert worker.uses == 1


async def test_nothing_is_placed_where_there_is_one_processor():
    async with Pool(min_size=1, max_size=1) as pool:
        worker = await next_of(pool)
        placing = Placing(lambda: {0})
        placing.keep_off(worker)
        placing.close()
        assert where(worker) == ALL


async def test_where_the_host_runs_is_asked_again_after_a_while(monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(os, "pread", lambda *of, pread=os.pread: (asked.append(1), pread(*of))[1])
    moments = [1.0, 1.0 + SOON_SECONDS / 2, 1.0 + 2 * SOON_SECONDS]
    placing = Placing(now=lambda: moments.pop(0))
    async with Pool(min_size=1, max_size=1) as pool:
        worker = await next_of(pool)
        for _ in range(3):
            placing.keep_off(worker)
    placing.close()
    assert (len(asked), moments) == (2, [])


async def test_workers_are_left_to_the_scheduler_for_a_while_where_looking_is_mostly_in_vain():
    now = [1.0]
    placing = Placing(now=lambda: now[0])
    async with Pool(min_size=1, max_size=1) as pool:
        worker = await next_of(pool)
        for found in (False, True, False, True, False, False):
            placing.looked(found)
            placing.keep_off(worker)
            assert kept_off_one(worker)
            placing.anywhere(worker)
        placing.looked(False)
        placing.keep_off(worker)
        assert where(worker) == ALL
        now[0] += LEFT_SECONDS
        placing.keep_off(worker)
        assert kept_off_one(worker)
    placing.close()
