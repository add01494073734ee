"""A worker that hears of a script before it comes gets ready, and nothing that the script could see is different."""

from __future__ import annotations

import os
import signal

import anyio
import pytest
from tests.harness.runtime.playing import echoes, next_of, play, play_engine, start_of, tight

from toolscript.agent.workers import Workers
from toolscript.harness import Harness
from toolscript.runtime import pool as pools
from toolscript.runtime import process
from toolscript.runtime.link import Link
from toolscript.runtime.placing import Placing
from toolscript.runtime.pool import Pool
from toolscript.runtime.process import WorkerProcess
from toolscript.runtime.rousing import Rousing

pytestmark = pytest.mark.anyio

SEEN = """
const names = [];
for (const name of Object.getOwnPropertyNames(globalThis).sort()) names.push(name);
const order = [];
queueMicrotask(() => order.push("micro"));
await null;
order.push("after");
const place = new Error("here").stack;
return { names, order, place, random: [Math.random(), Math.random()], now: Date.now(), params, called: await tools.echo({ a: 1 }) };
"""

DEEP = f"let deep = 0; const dive = () => {{ deep++; dive(); }}; try {{ dive(); }} catch {{}}\n{SEEN}".replace(
    "{ names,", "{ deep, names,"
)
"""The same, and how deep calls can go; an instance of wasm does not outlive the answer."""


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch):
    monkeypatch.setattr(pools, "_PROCESSORS", 2)


async def limbered(worker: WorkerProcess, before: float) -> None:
    """Wait until a worker has done something, and does nothing any more."""
    last = before
    with anyio.fail_after(10):
        while worker.cpu_seconds() == before or worker.cpu_seconds() != last:
            last = worker.cpu_seconds()
            await anyio.sleep(0.005)


async def roused(pool: Pool) -> WorkerProcess:
    """Rouse the worker that comes next, and wait until it rests again."""
    worker = await next_of(pool)
    before = worker.cpu_seconds()
    pool.rouse()
    await limbered(worker, before)
    return worker


def test_an_engine_that_limbered_up_shows_a_script_what_a_fresh_one_does(engine):
    fresh, limber = engine(), engine()
    steps = sum(1 for _ in limber.limber())

    assert play_engine(limber, SEEN).result == play_engine(fresh, SEEN).result
    assert steps in (0, 2)


@pytest.mark.parametrize("steps", [1, 2])
def test_so_does_one_that_was_interrupted_at_it(engine, steps):
    fresh, limber = engine(), engine()
    motions = limber.limber()
    for _ in range(steps):
        next(motions, None)

    assert play_engine(limber, SEEN).result == play_engine(fresh, SEEN).result


async def test_a_worker_that_was_roused_runs_a_script_as_any_other(pool):
    plain = await play(pool, DEEP)
    worker = await roused(pool)

    played = await play(pool, DEEP)

    assert played.result == plain.result
    assert worker.uses == 1


async def test_one_that_was_roused_often_and_in_vain_does_too():
    async with Pool(min_size=1, max_size=1) as pool:
        for _ in range(process.MOST_ROUSED):
            worker = await roused(pool)
        used = worker.cpu_seconds()
        for _ in range(1000):
            pool.rouse()  # no more: what it may use of its processor is for scripts
        await anyio.sleep(0)
        assert worker.cpu_seconds() == used
        assert (await play(pool, "return await tools.echo({n: 1});")).result == {"n": 1}
        assert worker.uses == 1


async def test_a_worker_in_use_hears_of_no_other_script(monkeypatch):
    said: list[bytes] = []
    monkeypatch.setattr(Link, "send", lambda link, data, send=Link.send: (said.append(data), send(link, data))[1])
    async with Pool(min_size=2, max_size=2) as pool, pool.checkout() as session:
        await session.start(start_of("await tools.echo({}); return 1;"))
        pool.rouse()
    assert process.ROUSE not in said


async def test_where_there_is_one_processor_none_is_roused(monkeypatch):
    monkeypatch.setattr(pools, "_PROCESSORS", 1)
    said: list[bytes] = []
    monkeypatch.setattr(Link, "send", lambda link, data: said.append(data))
    async with Pool(min_size=1, max_size=1) as pool:
        await pool.filled.wait()
        pool.rouse()
    assert said == []


async def test_one_that_died_after_it_was_roused_is_replaced_before_anybody_notices():
    async with Pool(min_size=2, max_size=2) as pool:
        worker = await next_of(pool, ready=2)
        os.kill(worker.pid, signal.SIGSTOP)  # it will read neither
        pool.rouse()
        async with pool.checkout() as session:
            assert session.worker is worker
            worker.kill()
            batch = await session.start(start_of("return 7;"))
    assert batch.ended is not None
    assert pool.metrics()["restarts"]["died_idle"] == 1


async def test_limits_hold_for_a_worker_that_was_roused():
    limits = tight(guest_seconds=0.2, heap_bytes=4 * 1024 * 1024)
    async with Pool(limits, min_size=1, max_size=1) as pool:
        await roused(pool)
        grown = await play(pool, "const a = []; for (;;) a.push('x'.repeat(1000) + a.length);", limits=limits)
        await roused(pool)
        looped = await play(pool, "for (;;) {}", limits=limits)
    assert type(grown.error).__name__ == "HeapExceeded"
    assert type(looped.error).__name__ == "GuestTimeExceeded"


async def test_each_fresh_realm_of_a_process_that_is_used_again_can_be_roused():
    async with Pool(min_size=1, max_size=1, uses_per_worker=3) as pool:
        results = []
        for _ in range(3):
            worker = await roused(pool)
            results.append((await play(pool, DEEP, echoes)).result)
    assert results[0] == results[1] == results[2]
    assert worker.uses == 3


async def test_a_harness_rouses_for_each_script_and_a_refused_one_leaves_the_worker_as_it_was(tmp_path, monkeypatch):
    roused: list[int] = []
    rouse = Pool.rouse
    monkeypatch.setattr(Pool, "rouse", lambda pool: (roused.append(len(pool._idle)), rouse(pool))[1])
    async with Harness(tmp_path, workers=Workers(min_size=1, max_size=1)) as harness:
        await harness.pool.filled.wait()
        (pid,) = harness.pool.metrics()["pids"]
        refused = [await harness.run("// nothing") for _ in range(5)]
        assert harness.pool.metrics()["pids"] == [pid]
        run = await harness.run("return 1;")
    assert {run.error["details"]["reason"] for run in refused} == {"empty"}
    assert (run.result, len(roused)) == (1, 6)


async def test_scripts_that_are_only_shown_rouse_nobody(tmp_path, monkeypatch):
    roused: list[Pool] = []
    monkeypatch.setattr(Pool, "rouse", roused.append)
    async with Harness(tmp_path, workers=Workers(min_size=1, max_size=1)) as harness:
        await harness.run("return 1;", mode="off")
    assert not roused


async def test_an_engine_that_cannot_limber_up_loses_no_worker_for_it():
    async with Pool(min_size=1, max_size=1, engine="tests.workers.unlimited:Stiff") as pool:
        worker = await roused(pool)
        assert (await play(pool, "return 1;")).result == 1
    assert (worker.uses, "died_idle" in pool.metrics()["restarts"]) == (1, False)


async def test_one_that_was_ended_by_a_limits_signal_before_it_read_the_script_is_replaced():
    async with Pool(min_size=2, max_size=2) as pool:
        worker = await next_of(pool, ready=2)
        async with pool.checkout() as session:
            os.kill(worker.pid, signal.SIGSTOP)  # it will not read the script
            with anyio.fail_after(10):
                async with anyio.create_task_group() as group:
                    group.start_soon(_ended_by_signal, worker)
                    batch = await session.start(start_of("return 7;"))
    assert batch.ended is not None


async def _ended_by_signal(worker: WorkerProcess) -> None:
    os.kill(worker.pid, signal.SIGPROF)
    os.kill(worker.pid, signal.SIGCONT)


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Noted:
    """Stands for a worker: what decides when it is roused asks nothing else of it."""

    roused = 0

    def rouse(self) -> None:
        self.roused += 1


@pytest.mark.parametrize(("gap", "roused"), [(0.0003, 1), (0.002, 0)])
def test_behind_a_script_that_followed_another_at_once_the_next_worker_is_roused(gap, roused):
    clock, following = Clock(), Noted()
    rousing = Rousing(Placing(lambda: {0}), clock)
    rousing.began()
    rousing.ended(following)
    assert following.roused == 0
    clock.now = gap
    rousing.began()

    rousing.ended(following)

    assert following.roused == roused


def test_a_worker_that_still_looks_for_its_script_is_not_roused_again():
    clock, worker, other = Clock(), Noted(), Noted()
    rousing = Rousing(Placing(lambda: {0}), clock)
    rousing.rouse(worker)
    rousing.rouse(worker)
    assert worker.roused == 1
    rousing.rouse(other)
    clock.now = 0.01
    rousing.rouse(other)

    assert other.roused == 2


async def test_scripts_in_a_row_run_as_ever(tmp_path):
    async with Harness(tmp_path, workers=Workers(min_size=4, max_size=4)) as harness:
        results = [(await harness.run(f"return {n};")).result for n in range(20)]
    assert results == list(range(20))
