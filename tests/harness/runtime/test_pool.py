"""How workers are lent, replaced, reused and let go, whatever happens to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import anyio
import pytest
from tests.harness.runtime.playing import FACADE, play, start_of, tight

import toolscript
from toolscript.errors import ConfigError, HostError, PoolBusy, Position, SourceTooLarge, WorkerCrashed
from toolscript.limits import Limits
from toolscript.runtime.pool import Pool
from toolscript.runtime.session import Settlement, Start

pytestmark = pytest.mark.anyio


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(condition) -> None:
    """Wait until something that is under way has happened."""
    with anyio.fail_after(10):
        while not condition():
            await anyio.sleep(0.005)


async def test_each_script_has_a_process_of_its_own_and_a_fresh_realm():
    async with Pool(min_size=1, max_size=2) as pool:
        for _ in range(3):
            assert (await play(pool, "(globalThis.bag ??= []).push(1); return globalThis.bag.length;")).result == 1
        assert pool.metrics()["scripts"] == 3
        assert pool.metrics()["restarts"] == {"used_up": 3}


async def test_a_reused_process_gives_every_script_a_fresh_realm_and_goes_after_its_uses():
    async with Pool(min_size=1, max_size=1, uses_per_worker=3) as pool:
        pids = []
        for n in range(7):
            async with pool.checkout() as session:
                pids.append(session.worker.pid)
                source = f"globalThis.bag ??= []; globalThis.bag.push({n}); return globalThis.bag.length;"
                batch = await session.start(start_of(source))
                assert batch.ended.result == "1"
        uses = [pids.count(pid) for pid in dict.fromkeys(pids)]
        # Where a script had to wait, there are two that take turns.
        assert max(uses) <= 3 <= len(uses)
        assert pool.metrics()["restarts"] == {"used_up": uses.count(3)}


async def test_a_script_that_its_worker_never_read_is_given_to_another():
    async with Pool(min_size=1, max_size=1) as pool:
        await until(lambda: pool.metrics()["idle"] == 1)
        (pid,) = pool.metrics()["pids"]
        os.kill(pid, signal.SIGSTOP)  # it reads nothing from here on, and nobody can know yet
        async with anyio.create_task_group() as group:

            async def kill() -> None:
                await until(lambda: pool.metrics()["busy"] == 1)
                os.kill(pid, signal.SIGKILL)

            group.start_soon(kill)
            played = await play(pool, "const r = await tools.echo({n: 1}); return r;")

        assert played.result == {"n": 1}
        assert pool.metrics()["restarts"]["died_idle"] == 1


async def test_a_place_is_the_authors_where_a_return_was_put_before_a_last_expression(pool):
    source = "'é'; nothing.at(1)"
    async with pool.checkout() as session:
        start = Start(source=source, prepared=None, last_expression=True, facade=())
        error = (await session.start(start)).ended.error

    assert error.position == Position(1, source.index("nothing") + 1)


def cpu_limit(pid: int) -> str:
    (line,) = (x for x in Path(f"/proc/{pid}/limits").read_text().splitlines() if x.startswith("Max cpu time"))
    return line.split()[3]


async def test_cpu_time_is_bounded_for_workers_and_not_for_the_zygote_that_outlives_them():
    async with Pool(min_size=1, max_size=1) as pool, pool.checkout() as session:
        assert cpu_limit(session.worker.pid) == "7"
        assert cpu_limit(pool._nursery.pid) == "unlimited"


async def test_more_uses_than_prepared_contexts_are_served_all_the_same():
    async with Pool(min_size=1, max_size=1, uses_per_worker=40) as pool:
        assert [(await play(pool, f"return {n};")).result for n in range(40)] == list(range(40))


async def test_scripts_beyond_the_prepared_contexts_have_the_expected_tools_all_the_same():
    async with Pool(min_size=1, max_size=1, uses_per_worker=60) as pool:
        pool.expect(FACADE)

        assert [(await play(pool, f"return await tools.echo([{n}]);")).result for n in range(60)] == [
            [n] for n in range(60)
        ]


async def test_realms_that_hold_memory_which_they_never_touched_are_freed_all_the_same():
    # Left alone until the process ends, thirty of them in each of two would be more than it may have of the address space.
    held = "const held = new ArrayBuffer(12_000_000); setTimeout(() => held, 1e6); return held.byteLength;"
    async with Pool(min_size=1, max_size=1, uses_per_worker=60) as pool:
        results = [(await play(pool, held)).result for _ in range(60)]
        assert pool.metrics()["restarts"] == {}
    assert results == [12_000_000] * 60


async def test_what_scripts_leave_in_memory_does_not_add_up_in_a_process_that_is_used_again():
    def resident(pid: int) -> int:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096

    async with Pool(min_size=1, max_size=1, uses_per_worker=20) as pool:
        for _ in range(16):
            source = "const a = 'x'.repeat(1e7); setTimeout(() => a, 1e6); return 1;"
            assert (await play(pool, source)).result == 1

        assert max(map(resident, pool.metrics()["pids"])) < 60_000_000


async def test_limits_hold_anew_for_each_script_of_a_process():
    async with Pool(min_size=1, max_size=1, uses_per_worker=5) as pool:
        for _ in range(4):
            played = await play(pool, "for (let i = 0; i < 2e6; i++); return 1;", limits=tight(guest_seconds=1))
            assert played.result == 1


async def test_callers_beyond_the_maximum_wait_in_order_and_beyond_the_queue_are_refused():
    order: list[int] = []

    async with Pool(min_size=1, max_size=1, queue=2) as pool, anyio.create_task_group() as group:

        async def wait(number: int) -> None:
            async with pool.checkout():
                order.append(number)

        async with pool.checkout():
            for number in range(2):
                group.start_soon(wait, number)
                await until(lambda number=number: pool.metrics()["waiting"] == number + 1)
            with pytest.raises(PoolBusy) as caught:
                async with pool.checkout():
                    pass
            assert caught.value.details == {"busy": 1, "waiting": 2}
        await until(lambda: len(order) == 2)

    assert order == [0, 1]


async def test_nobody_waits_in_line_for_ever_and_those_behind_go_on():
    async with Pool(min_size=1, max_size=1, queue_seconds=0.2) as pool:
        await until(lambda: pool.metrics()["idle"] == 1)
        async with pool.checkout():
            with pytest.raises(PoolBusy, match=r"1 scripts run and 1 wait for more than 0\.2 s"):
                async with pool.checkout():
                    pass
            assert pool.metrics()["waiting"] == 0
        assert pool.metrics()["idle"] >= 1
        assert (await play(pool, "return 1;")).result == 1


async def test_a_pool_that_keeps_none_ready_starts_them_when_they_are_needed():
    async with Pool(min_size=0, max_size=2, idle_seconds=0.1) as pool:
        assert pool.metrics()["size"] == 0
        assert (await play(pool, "return 1;")).result == 1
        await until(lambda: pool.metrics()["size"] == 0)
        assert (await play(pool, "return 2;")).result == 2


async def test_the_next_worker_is_ready_before_anybody_asks_for_it():
    async with Pool(min_size=1, max_size=1) as pool:
        await until(lambda: pool.metrics()["idle"] == 1)
        (first,) = pool.metrics()["pids"]
        async with pool.checkout() as session:
            await session.start(start_of("await tools.echo({}); return 1;"))
            assert session.worker.pid == first
            os.kill(first, signal.SIGKILL)
            await until(lambda: not alive(first))
        await until(lambda: pool.metrics()["idle"] == 1)
        assert pool.metrics()["pids"] != [first]
        async with pool.checkout():
            assert pool.metrics()["waiting"] == pool.metrics()["starting"] == 0


async def test_whoever_is_cancelled_while_waiting_leaves_the_line():
    async with Pool(min_size=1, max_size=1, queue=1) as pool:
        async with pool.checkout():
            for _ in range(3):
                with anyio.move_on_after(0.01):
                    async with pool.checkout():
                        pass
            assert pool.metrics()["waiting"] == 0
        assert (await play(pool, "return 1;")).result == 1


async def test_a_cancelled_script_costs_its_worker():
    async with Pool(min_size=1, max_size=2) as pool:
        await until(lambda: pool.metrics()["idle"] == 1)
        with anyio.move_on_after(0.1):
            await play(pool, "for (;;) {}")
        assert pool.metrics()["restarts"] == {"cancelled": 1}
        assert (await play(pool, "return 1;")).result == 1


async def test_a_lease_that_ran_nothing_gives_its_worker_back():
    async with Pool(min_size=1, max_size=1) as pool:
        async with pool.checkout():
            pass
        async with pool.checkout() as session:
            with pytest.raises(SourceTooLarge):
                await session.start(start_of("x".ljust(30_000)))
        assert pool.metrics()["restarts"] == {}
        assert pool.metrics()["scripts"] == 0


async def test_a_session_runs_one_script():
    async with Pool(min_size=1) as pool, pool.checkout() as session:
        await session.start(start_of("return 1;"))
        with pytest.raises(HostError, match="one script"):
            await session.start(start_of("return 1;"))
        with pytest.raises(HostError, match="no script that waits"):
            await session.settle([])


async def test_settlements_after_the_end_are_nobodys():
    async with Pool(min_size=1, uses_per_worker=5, max_size=1) as pool:
        async with pool.checkout() as session:
            await session.start(start_of("await Promise.race([tools.echo({}), tools.echo({})]); return 1;"))
            batches = await session.settle(
                [Settlement(number=n, ok=True, value="1", time_ms=1) for n in (1, 2)],
            )
            assert len(batches) == 1
        assert (await play(pool, "return 2;")).result == 2


async def test_a_worker_killed_in_mid_script_is_a_typed_error_and_the_next_script_runs():
    async with Pool(min_size=1, max_size=1) as pool:
        async with pool.checkout() as session:
            await session.start(start_of("await tools.echo({}); return 1;"))
            os.kill(session.worker.pid, signal.SIGKILL)
            with pytest.raises(WorkerCrashed, match="SIGKILL"):
                await session.settle([Settlement(number=1, ok=True, value="1", time_ms=1)])
        assert (await play(pool, "return 1;")).result == 1
        assert pool.metrics()["restarts"]["worker_crashed"] == 1


async def test_an_idle_worker_that_is_killed_is_replaced_without_an_error():
    async with Pool(min_size=1, max_size=1) as pool:
        await until(lambda: pool.metrics()["idle"] == 1)
        (pid,) = pool.metrics()["pids"]
        os.kill(pid, signal.SIGKILL)
        await until(lambda: pool.metrics()["restarts"].get("died_idle") == 1)
        assert (await play(pool, "return 1;")).result == 1


async def test_a_stopped_worker_is_killed_when_it_makes_no_progress():
    async with Pool(min_size=1, max_size=1) as pool, pool.checkout() as session:
        await session.start(start_of("await tools.echo({}); return 1;", limits=tight(guest_seconds=0.05)))
        os.kill(session.worker.pid, signal.SIGSTOP)
        with pytest.raises(WorkerCrashed, match="no progress"):
            await session.settle([Settlement(number=1, ok=True, value="1", time_ms=1)])
        await until(lambda: not alive(session.worker.pid))


async def test_the_pool_survives_the_zygotes_death_idle_and_at_work():
    async with Pool(min_size=1, max_size=2) as pool:
        await play(pool, "return 1;")
        first = pool._nursery.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: pool._nursery is None or not pool._nursery.alive)
        assert (await play(pool, "return 2;")).result == 2

        async with pool.checkout() as session:
            await session.start(start_of("await tools.echo({}); return 1;"))
            os.kill(pool._nursery.pid, signal.SIGKILL)
            await until(lambda: not alive(session.worker.pid))
            with pytest.raises(WorkerCrashed):
                await session.settle([Settlement(number=1, ok=True, value="1", time_ms=1)])
        assert (await play(pool, "return 3;")).result == 3
        assert pool.metrics()["restarts"]["zygote"] >= 1


async def test_spares_beyond_the_minimum_go_when_nobody_needs_them():
    async with Pool(min_size=1, max_size=4, idle_seconds=0.2) as pool:
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(play, pool, "return 1;")
        await until(lambda: pool.metrics()["idle"] > 1)
        await until(lambda: pool.metrics()["idle"] == 1 and pool.metrics()["starting"] == 0)
        assert pool.metrics()["restarts"]["idle"] >= 1


async def test_leaving_the_pool_leaves_no_process_descriptor_or_child():
    before = len(os.listdir("/proc/self/fd"))
    async with Pool(min_size=2, max_size=4) as pool:
        await play(pool, "return 1;")
        await until(lambda: pool.metrics()["idle"] >= 2 and not pool.metrics()["starting"])
        pids = [*pool.metrics()["pids"], pool._nursery.pid]

    assert not [pid for pid in pids if alive(pid)]
    assert len(os.listdir("/proc/self/fd")) == before


async def test_leaving_waits_for_scripts_that_are_about_to_end_and_refuses_new_ones():
    results: list[object] = []

    async with anyio.create_task_group() as group:
        async with Pool(min_size=1, max_size=1, grace_seconds=5) as pool:
            session = pool.checkout()
            entered = await session.__aenter__()
            await entered.start(start_of("await tools.echo({}); return 7;"))

            async def finish() -> None:
                await until(lambda: pool._closing)
                with pytest.raises(HostError, match="closed"):
                    async with pool.checkout():
                        pass
                batches = await entered.settle([Settlement(number=1, ok=True, value="1", time_ms=1)])
                results.append(batches[-1].ended.result)
                await session.__aexit__(None, None, None)

            group.start_soon(finish)

    assert results == ["7"]


async def test_an_error_in_the_body_comes_out_as_it_is():
    with pytest.raises(ZeroDivisionError):
        async with Pool(min_size=1):
            raise ZeroDivisionError


async def test_when_the_host_is_killed_all_its_workers_end():
    root = str(Path(toolscript.__file__).parents[1])
    code = f"""
    import sys; sys.path.insert(0, {root!r}); sys.path.insert(0, {str(Path(__file__).parents[3])!r})
    import anyio, os, signal
    from toolscript.runtime.pool import Pool
    from tests.harness.runtime.playing import start_of
    async def main():
        async with Pool(min_size=2, max_size=2) as pool, pool.checkout() as session:
            async with anyio.create_task_group() as group:
                group.start_soon(session.start, start_of("for (;;) {{}}"))
                while pool.metrics()["idle"] < 2:
                    await anyio.sleep(0.01)
                print(pool._nursery.pid, *pool.metrics()["pids"], flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
    anyio.run(main)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False
    )
    pids = [int(pid) for pid in done.stdout.split()]

    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(pids) == 4
    await until(lambda: not any(map(alive, pids)))


async def test_without_free_descriptors_the_error_is_typed_and_goes_away_with_its_cause():
    import resource

    async with Pool(min_size=1, max_size=3) as pool:
        await until(lambda: pool.metrics()["idle"] == 1)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        held: list[int] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        try:
            async with pool.checkout():
                await until(lambda: pool.metrics()["starting"] == 0)
                async with pool.checkout():
                    await until(lambda: pool.metrics()["starting"] == 0)
                    while pool._idle:
                        pool._discard(pool._idle.popleft(), "idle")
                    with pytest.raises(OSError):
                        while True:
                            held.append(os.open("/dev/null", os.O_RDONLY))
                    with pytest.raises(HostError, match="Too many open files"):
                        async with pool.checkout():
                            pass
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for fd in held:
                os.close(fd)
        assert (await play(pool, "return 1;")).result == 1


@pytest.mark.parametrize("awaits", range(12))
async def test_a_run_cancelled_at_any_await_leaves_nothing_behind(awaits):
    """Cancel at the N-th time the loop turns, wherever that is in starting, running or ending a script."""
    async with Pool(min_size=1, max_size=2) as pool:
        await until(lambda: pool.metrics()["idle"] >= 1)
        before = len(os.listdir("/proc/self/fd"))
        async with anyio.create_task_group() as group:

            async def run() -> None:
                await play(pool, "await tools.echo({}); await tools.echo({}); return 1;")

            group.start_soon(run)
            for _ in range(awaits):
                await anyio.sleep(0)
            group.cancel_scope.cancel()
        await until(lambda: pool.metrics()["idle"] >= 1 and pool.metrics()["starting"] == 0)
        assert pool.metrics()["busy"] == 0
        assert len(os.listdir("/proc/self/fd")) - before == 2 * (pool.metrics()["idle"] - 1)
        assert (await play(pool, "return 1;")).result == 1


@pytest.mark.parametrize(
    "wrong",
    [{"min_size": 5, "max_size": 2}, {"max_size": 0}, {"queue": -1}, {"uses_per_worker": 0}],
)
async def test_sizes_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError):
        Pool(**wrong)


async def test_a_stack_that_the_process_cannot_hold_is_refused():
    with pytest.raises(ConfigError, match="stack_bytes"):
        Pool(Limits(stack_bytes=64 << 20))


async def test_many_at_once_all_end_and_none_sees_another():
    async with Pool(min_size=2, max_size=4, queue=100) as pool:
        results: dict[int, object] = {}

        async def one(n: int) -> None:
            played = await play(
                pool,
                f"globalThis.mine ??= {n}; const r = await tools.echo({{ n: {n} }}); return [globalThis.mine, r.n];",
            )
            results[n] = played.result

        async with anyio.create_task_group() as group:
            for n in range(40):
                group.start_soon(one, n)

    assert results == {n: [n, n] for n in range(40)}


async def test_typescript_is_blanked_in_the_worker_and_sent_back_for_the_cache():
    async with Pool(min_size=1) as pool:
        source = "const a: number = 1;\nreturn a as number;"
        first = await play(pool, source)
        second = await play(pool, source, prepared=first.prepared)

        assert first.prepared is not None and "number" not in first.prepared
        assert len(first.prepared) == len(source)
        assert (first.result, second.result, second.prepared) == (1, 1, None)


async def test_tools_that_were_expected_and_tools_that_were_not_are_both_there():
    from tests.harness.runtime.playing import FACADE

    from toolscript.runtime.session import FacadeEntry

    other = (FacadeEntry(path=("different",), flat=True),)
    source = "return [Object.keys(tools), typeof globalThis.shell, typeof globalThis.different];"
    for uses in (1, 4):
        pool = Pool(min_size=1, max_size=1, uses_per_worker=uses)
        pool.expect(FACADE)
        async with pool:
            for facade in (FACADE, other, other, other, FACADE, other):
                names, shell, different = (await play(pool, source, facade=facade)).result
                assert names == ["spawn", *dict.fromkeys(entry.path[0] for entry in facade)]
                assert (shell, different) == (
                    ("function", "undefined") if facade is FACADE else ("undefined", "function")
                )


async def test_tools_change_while_workers_wait_and_each_script_has_its_own():
    from toolscript.runtime.session import FacadeEntry

    async with Pool(min_size=2, max_size=4) as pool:
        for n in range(12):
            facade = (FacadeEntry(path=(f"tool{n // 3}",)),)
            assert (await play(pool, "return Object.keys(tools);", facade=facade)).result == ["spawn", f"tool{n // 3}"]
