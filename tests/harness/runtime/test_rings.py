"""Each ring of limits acts by itself: the engine's interrupt, the worker's own signal and limits, the host's kill."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import anyio
import pytest
from tests.harness.runtime.playing import play, start_of, tight

from toolscript.errors import GuestTimeExceeded, HeapExceeded, ScriptThrew, StackExceeded, WorkerCrashed
from toolscript.limits import Limits
from toolscript.runtime import watch
from toolscript.runtime.pool import Pool
from toolscript.runtime.session import Done, Settlement

pytestmark = pytest.mark.anyio

LIMITS = tight(guest_seconds=0.2)
NATIVE_LOOPS = {
    "a sparse array as text": "return new Array(1e9) + '';",
    "a sparse array joined": "return new Array(1e9).join('x').length;",
    "a scan repeated": "const s = 'a'.repeat(2 ** 22); let n = 0; for (let i = 0; i < 1e9; i++) n += s.indexOf('b' + i); return n;",
    "a loop": "for (;;) {}",
    "a regular expression": "return /(a+)+$/.test('a'.repeat(40) + 'b');",
    "a reversed sparse array": "const a = []; a.length = 4294967295; a.reverse(); return 1;",
}


def workers(engine: str, **options) -> Pool:
    name = engine if engine == "quickjs-ng" else f"tests.workers.unlimited:{engine}"
    return Pool(tight(guest_seconds=0.2), min_size=1, max_size=2, engine=name, grace_seconds=0.1, **options)


async def ends(pool: Pool, source: str, **options) -> tuple[Exception, bool]:
    """Return how the script ended, and whether the worker lived to tell."""
    try:
        return (await play(pool, source, **{"limits": LIMITS} | options)).error, True
    except (GuestTimeExceeded, HeapExceeded, WorkerCrashed) as error:
        return error, False


class Lag:
    """Measures by how much the loop of this test came late, at most: a busy machine delays whoever looks at a clock."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def __aenter__(self) -> Lag:
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._beat)
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._group.cancel_scope.cancel()
        await self._group.__aexit__(None, None, None)

    async def _beat(self) -> None:
        while True:
            before = time.monotonic()
            await anyio.sleep(0.01)
            self.worst = max(self.worst, time.monotonic() - before - 0.01)


async def goes_on(pool: Pool) -> bool:
    return (await play(pool, "return 'next';", limits=LIMITS)).result == "next"


@pytest.mark.parametrize("loop", ["for (;;) {}", "for (;;) await null;", "for (;;) { try { for (;;); } catch {} }"])
async def test_ring_1_interrupts_and_the_worker_tells(loop):
    limits = tight(guest_seconds=1.0)  # a tenth of it is what ring 2 leaves ring 1 for saying so
    async with Pool(limits, min_size=1, max_size=2) as pool:
        error, told = await ends(pool, loop, limits=limits)

        assert (type(error), told) == (GuestTimeExceeded, True)
        assert 1.0 <= error.used < 1.1
        assert await goes_on(pool)


@pytest.mark.parametrize("loop", NATIVE_LOOPS)
async def test_ring_2_ends_what_no_engine_interrupts(loop):
    async with workers("WithoutRing1") as pool:
        error, told = await ends(pool, NATIVE_LOOPS[loop])

        assert (type(error), told) == (GuestTimeExceeded, False)
        assert (error.allowed, error.used) == (0.2, 0.22)
        assert error.lost_logs
        assert await goes_on(pool)


async def test_behind_ring_2_the_kernels_own_cpu_limit_ends_the_process(monkeypatch):
    monkeypatch.setattr(watch, "FACTOR", 1000)
    monkeypatch.setattr(watch, "STALL_FACTOR", 1000)
    async with workers("WithoutRings1And2") as pool:
        error, told = await ends(pool, "for (;;) {}")

        assert (type(error), told) == (GuestTimeExceeded, False)


@pytest.mark.parametrize("loop", NATIVE_LOOPS)
async def test_ring_3_kills_from_outside(loop):
    async with workers("WithoutRings1And2") as pool, Lag() as lag:
        error, told = await ends(pool, NATIVE_LOOPS[loop])

        assert (type(error), told) == (GuestTimeExceeded, False)
        assert 0.2 * 1.2 + 0.25 <= error.used < 0.6 + lag.worst
        assert "killed" in error.message
        assert await goes_on(pool)


async def test_ring_3_needs_nothing_of_a_worker_that_ignores_every_signal():
    async with workers("Immortal") as pool:
        error, told = await ends(pool, "for (;;) {}")

        assert (type(error), told) == (GuestTimeExceeded, False)


@pytest.mark.parametrize("loop", NATIVE_LOOPS)
async def test_with_all_rings_in_place_native_loops_end_as_guest_time(loop):
    async with workers("quickjs-ng") as pool:
        error, _ = await ends(pool, NATIVE_LOOPS[loop])

        assert isinstance(error, GuestTimeExceeded)
        assert error.used < 0.3
        assert await goes_on(pool)


async def test_a_worker_that_computes_slowly_is_no_stalled_one(monkeypatch):
    monkeypatch.setattr(watch, "STALL_FACTOR", 0.1)
    monkeypatch.setattr(watch, "PROGRESS", 0.001)
    limits = tight(guest_seconds=2.0)
    async with Pool(limits, min_size=1, max_size=1) as pool:
        # Far more wall time than the bound, all of it spent computing.
        error, told = await ends(pool, "for (;;) {}", limits=limits)

        assert (type(error), told) == (GuestTimeExceeded, True)


async def test_time_spent_waiting_is_not_the_scripts_and_a_loop_afterwards_is():
    async with workers("quickjs-ng") as pool, pool.checkout() as session:
        batch = await session.start(start_of("await tools.echo({}); for (;;) {}", limits=LIMITS))
        await anyio.sleep(0.7)  # longer than the limit, and than every ring's deadline
        assert batch.ended is None
        try:
            (batch,) = await session.settle([Settlement(number=1, ok=True, value="1", time_ms=1)])
            error = batch.ended.error
        except GuestTimeExceeded as killed:  # on a machine so busy that ring 2 came first
            error = killed

        assert isinstance(error, GuestTimeExceeded)
        assert 0.2 <= error.used < 0.3


async def test_memory_beyond_the_engines_limit_meets_the_systems():
    async with workers("WithoutHeapLimit") as pool:
        error, _ = await ends(
            pool, "const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1));", limits=tight(guest_seconds=5)
        )

        assert isinstance(error, HeapExceeded | ScriptThrew | WorkerCrashed)
        assert await goes_on(pool)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("const a = []; for (;;) a.push('x'.repeat(1000) + a.length);", HeapExceeded),
        ("const f = async () => { await null; return f(); }; await f();", HeapExceeded),
        ("const m = new Map(); for (let i = 0; ; i++) m.set(i, i);", HeapExceeded),
        ("const f = () => f() + 1; f();", StackExceeded),
    ],
)
async def test_heap_and_stack_are_their_own_errors_in_a_worker(source, kind):
    async with workers("quickjs-ng") as pool:
        error, _ = await ends(pool, source, limits=tight(guest_seconds=5))

        assert isinstance(error, kind), error
        assert error.used == error.allowed
        assert await goes_on(pool)


async def test_a_thrown_null_is_not_a_full_heap():
    async with workers("quickjs-ng") as pool:
        error, _ = await ends(pool, "throw null;")

        assert isinstance(error, ScriptThrew)
        assert error.message == "thrown null"


WITHOUT_RING_1 = "tests.workers.unlimited:WithoutRing1"
TYPED = "\n".join(f"const v{n}: number = {n} + 1;" for n in range(6000))
BESIDE_THE_SCRIPT = {
    "types that are stripped": (f"{TYPED}\nlet x = 0; for (let i = 0; i < 500_000; i++) x += i; return 1;", 1),
    "thousands of answers": ("for (let n = 0; n < 5000; n++) await tools.echo({}); return 1;", 1),
    "large answers": ("for (let n = 0; n < 100; n++) await tools.echo({}); return 1;", 1_000_000),
}


async def computed(source: str, size: int, guest_seconds: float) -> tuple[float, float]:
    """Play a script to its end, not alone, and return the CPU seconds of its worker, and those that were its own."""
    limits = replace(Limits(), guest_seconds=guest_seconds, calls=10_000, source_bytes=1 << 20)
    value = json.dumps("x" * size)
    async with (
        Pool(limits, min_size=2, max_size=2, engine=WITHOUT_RING_1) as pool,
        pool.checkout(),
        pool.checkout() as session,
    ):
        before = session.worker.cpu_seconds()
        batch = await session.start(start_of(source, limits=limits))
        while batch.ended is None:
            number = batch.messages[0].number
            (batch,) = await session.settle([Settlement(number=number, ok=True, value=value, time_ms=number)])
        assert isinstance(batch.ended, Done)
        return session.worker.cpu_seconds() - before, batch.guest_seconds


@pytest.mark.parametrize("what", BESIDE_THE_SCRIPT)
async def test_ring_2_counts_only_what_the_script_computes(what):
    source, size = BESIDE_THE_SCRIPT[what]
    whole, own = await computed(source, size, 30.0)
    between = (1.25 * own + whole / 1.1) / 2
    assert 1.25 * own < between < whole / 1.1  # else it would prove nothing

    await computed(source, size, between)


async def test_ring_2_acts_as_soon_after_many_calls_as_without():
    async with workers("WithoutRing1") as pool:
        error, told = await ends(pool, "for (let n = 0; n < 30; n++) await tools.echo({}); for (;;) {}")

        assert (type(error), told) == (GuestTimeExceeded, False)
        assert (error.allowed, error.used) == (0.2, 0.22)
