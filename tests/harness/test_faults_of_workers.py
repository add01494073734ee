"""Whatever happens to a worker, its run ends with a typed error, its calls end, and the next run works."""

from __future__ import annotations

import os
import signal
import sys

import anyio
import pytest
from tests.harness.unharmed import Unharmed

from toolscript.agent.workers import Workers
from toolscript.events import OperationStatus, RunStatus
from toolscript.harness import Harness

pytestmark = pytest.mark.anyio
WAITING = "console.log('before'); await tools.exec({ command: ['sleep', '611'] }); return 1;"
BUSY = "console.log('before'); await null; for (;;) {}"
CALLS = """
const kept = await Promise.all([readFile('a.txt'), tools.exec({ command: ['true'] }), sleep(5)]);
await writeFile('b.txt', kept[0]); await writeFile('b.txt', ''); console.log('here'); store.set('n', 1); return 1;
"""


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def harness(anyio_backend, tmp_path_factory):
    place = tmp_path_factory.mktemp("place") / "work"
    place.mkdir()
    (place / "a.txt").write_text("a")
    async with Harness(place, workers=Workers(min_size=1, max_size=4)) as opened:
        assert (await opened.run(CALLS)).result == 1
        yield opened


async def until(condition):
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.005)


async def struck(harness, script, number, **options):
    """Run a script and send its worker a signal, in the middle of its call or of its computing."""
    heard, runs = [], []
    async with anyio.create_task_group() as group:

        async def run():
            runs.append(await harness.run(script, **options))

        with harness.listening(heard.append):
            group.start_soon(run)
            wanted = "operation_started" if script is WAITING else "script_started"
            await until(lambda: any(event.type == wanted for event in heard))
            (worker,) = harness.pool._busy
            before = worker.cpu_seconds()
            # A script that its worker has not read yet would be given to another.
            await until(lambda: script is WAITING or worker.cpu_seconds() > before + 0.03)
            os.kill(worker.pid, number)
    return runs[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT])
@pytest.mark.parametrize("script", [WAITING, BUSY])
async def test_a_worker_that_dies_in_mid_run_is_a_typed_error_and_its_call_ends(harness, script, number):
    async with Unharmed(harness):
        run = await struck(harness, script, number)

        assert (run.status, run.error["code"]) == (RunStatus.FAILED, "worker_crashed"), run.error
        assert all(o.status is OperationStatus.CANCELLED for o in run.operations)
        if script is WAITING:
            assert [log.text for log in run.logs] == ["before"]
        else:
            assert number.name in run.error["message"]
            assert "console lines written after the last await are lost" in run.warnings
    assert not list(harness.workspace.glob("core*"))


async def test_a_worker_that_is_stopped_while_it_computes_is_killed_in_time(harness):
    async with Unharmed(harness):
        run = await struck(harness, BUSY, signal.SIGSTOP, limits={"guest_seconds": 0.3})

    assert run.error["code"] in ("worker_crashed", "guest_time_limit"), run.error


async def test_a_worker_that_is_stopped_while_its_script_waits_is_killed_when_it_must_go_on(harness):
    async with Unharmed(harness):
        short = WAITING.replace("611", "0.3")
        heard = []

        def stop(event):
            heard.append(event)
            if event.type == "operation_started":
                (worker,) = harness.pool._busy
                os.kill(worker.pid, signal.SIGSTOP)

        with harness.listening(stop):
            run = await harness.run(short, limits={"guest_seconds": 0.1})

    assert run.error["code"] == "worker_crashed", run.error
    assert "no progress" in run.error["message"]
    assert run.operations[0].status is OperationStatus.SUCCEEDED


@pytest.mark.parametrize("engine", ["HalfFrame", "Loud", "Crashing", "TwoResults", "CallAfterEnd"])
async def test_a_worker_that_does_not_speak_as_agreed_costs_one_run_at_most(tmp_path, engine):
    expected = {"HalfFrame": "worker_crashed", "Crashing": "worker_crashed"}.get(engine)
    workers = Workers(engine=f"tests.workers.liars:{engine}", grace_seconds=0.1, uses_per_worker=5)
    async with Harness(tmp_path, workers=workers) as harness:
        runs = [await harness.run("return 0;") for _ in range(3)]

    if expected:
        assert [run.error["code"] for run in runs] == [expected] * 3
    else:
        assert all(run.error is None or run.error["code"] == "protocol_fault" for run in runs)
        assert runs[0].result in (0, 1)
    assert not any(run.operations for run in runs)


@pytest.mark.parametrize("fault", ["missing", "not executable"])
async def test_workers_that_cannot_be_started_are_an_error_that_says_so_until_they_can(tmp_path, monkeypatch, fault):
    program = tmp_path / "python"
    if fault == "not executable":
        program.write_text("#!/bin/sh\n")
        program.chmod(0o600)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(program))
        async with Harness(tmp_path) as harness:
            refused = [await harness.run("return 1;") for _ in range(3)]
            failed = harness.metrics()["pool"]["restarts"]["start_failed"]
            patched.undo()
            mended = await harness.run("return 1;")

    assert [run.error["code"] for run in refused] == ["host_error"] * 3
    assert "the worker zygote cannot be started" in refused[0].error["message"]
    assert str(program) in refused[0].error["message"]
    assert failed <= 6, "as many attempts as callers, and no storm"
    assert mended.result == 1


@pytest.mark.parametrize("turns", [*range(30), 35, 40, 50, 60, 80, 100, 150, 200, 300, 500])
async def test_a_run_cancelled_at_any_await_is_reported_and_leaves_nothing_behind(harness, turns):
    """Cancel at the N-th time the loop turns, wherever that is: parsing, starting, calling, writing, ending."""
    heard = []
    async with Unharmed(harness):
        with harness.listening(heard.append):
            async with anyio.create_task_group() as group:
                group.start_soon(harness.run, CALLS)
                for _ in range(turns):
                    await anyio.sleep(0)
                group.cancel_scope.cancel()

        begun = [event for event in heard if event.type == "script_execution"]
        ended = [event for event in heard if event.type == "script_execution_output"]
        assert len(ended) == len(begun) <= 1
        open_calls = {e.operation for e in heard if e.type == "operation_started"}
        assert open_calls == {e.operation for e in heard if e.type == "operation_finished"}
        (harness.workspace / "b.txt").write_text("")
