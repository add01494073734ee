"""Calls that are answered at once keep nothing else from its turn, and can be stopped like all others."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from toolscript.errors import PoolBusy
from toolscript.harness import Harness
from toolscript.journal.reader import records
from toolscript.limits import Limits
from toolscript.registry.classification import Classification, Danger, Effect
from toolscript.registry.shape import Shape
from toolscript.registry.tool import ToolModel, ToolSpec

pytestmark = pytest.mark.anyio
LIMITS = Limits(calls=100_000, guest_seconds=20)


class Nothing(ToolModel):
    """No arguments."""


class Quick:
    """Answers at once, after it has done what a test wants."""

    def __init__(self, does=lambda: None) -> None:
        self.spec = ToolSpec(name="quick", doc="q", effect=Effect.READ, input=Shape.of(Nothing), output=Shape.of(int))
        self.does = does

    async def classify(self, arguments, context):
        return Classification(effect=Effect.READ, danger=Danger.KNOWN_SAFE)

    async def call(self, arguments, context):
        if (waits := self.does()) is not None:
            await waits
        return 1

    def render(self, arguments, output):
        return str(output)


async def test_a_timer_fires_while_calls_are_answered_at_once(tmp_path):
    async with Harness(tmp_path, tools=[Quick()], limits=LIMITS) as harness:
        run = await harness.run(
            "let late = false, n = 0; setTimeout(() => { late = true }, 5);"
            "while (!late && n < 50000) { await tools.quick({}); n++ } return late;"
        )
    assert run.result is True


async def test_the_wall_limit_holds_while_calls_are_answered_at_once(tmp_path):
    async with Harness(tmp_path, tools=[Quick()], limits=LIMITS) as harness:
        run = await harness.run("for (;;) await tools.quick({});", limits={"wall_seconds": 0.05})
    assert run.error["code"] == "wall_time_limit"


async def test_a_tool_that_stops_its_run_in_its_first_step_stops_it(tmp_path):
    stopped = []

    async with Harness(tmp_path, limits=LIMITS) as harness:

        def stop():
            stopped.extend(run_id for run_id in harness._runner._stops if harness._runner.abort(run_id))

        harness.registry.add(Quick(stop))
        run = await harness.run("for (let n = 0; n < 20000; n++) await tools.quick({}); return 1;")
        assert run.status == "aborted"
        await anyio.lowlevel.checkpoint()  # nothing of the cancellation is left for whoever ran it
    assert stopped


async def test_a_cancellation_that_nobody_asked_for_is_an_error_that_the_script_can_catch(tmp_path):
    def cancelled():
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        return future

    async with Harness(tmp_path, tools=[Quick(cancelled)], limits=LIMITS) as harness:
        run = await harness.run("try { await tools.quick({}) } catch (error) { return error.name }")
    assert run.result == "ToolCancelled"


async def test_a_run_that_found_no_worker_is_written_down_from_its_beginning(tmp_path, monkeypatch):
    async with Harness(tmp_path) as harness:

        async def busy():
            raise PoolBusy("all are busy")

        with monkeypatch.context() as patched:
            patched.setattr(harness.pool, "acquire", busy)
            run = await harness.run("return 1;")
        kinds = [record.kind for record in records(harness.state / "runs" / f"{run.run_id}.jsonl")]
    assert kinds == ["run", "run_end"]
