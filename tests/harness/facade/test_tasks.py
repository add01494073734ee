"""Tasks that scripts spawn: looked at, waited for, cancelled; ended by their turn, their deadline, their conversation."""

from __future__ import annotations

import anyio
import pytest

from toolscript.events import TaskFinished, TaskStarted
from toolscript.harness import Harness
from toolscript.limits import Limits
from toolscript.registry.function import tool

pytestmark = pytest.mark.anyio


@tool(effect="read")
async def work(seconds: float) -> str:
    """Work for so long."""
    await anyio.sleep(seconds)
    return "done"


@pytest.fixture
async def harness(tmp_path):
    async with Harness(tmp_path, tools=[work]) as opened:
        yield opened


async def statuses(harness: Harness) -> dict[str, str]:
    run = await harness.run("return (await tools.spawn.list()).map((t) => [t.id, t.status]);")
    return dict(run.result)


async def test_a_script_lists_and_cancels_tasks(harness):
    source = """
    const t = tools.spawn.work({seconds: 600});
    const before = (await tools.spawn.list()).map((x) => [x.tool, x.status]);
    const first = await tools.spawn.cancel(t.id);
    const again = await tools.spawn.cancel(t.id);
    const why = await t.done.catch((e) => e.code);
    return {before, first, again, why, after: (await tools.spawn.get(t.id)).status};"""

    run = await harness.run(source)

    assert run.result == {
        "before": [["work", "running"]], "first": True, "again": False, "why": "cancelled", "after": "cancelled",
    }  # fmt: skip


async def test_an_unknown_task_is_an_error_that_says_so(harness):
    run = await harness.run("return await tools.spawn.cancel('task-9.9').catch((e) => e.code);")

    assert run.result == "not_found"


async def test_a_task_ends_at_its_deadline(tmp_path):
    async with Harness(tmp_path, tools=[work], limits=Limits(task_seconds=0.05)) as harness:
        run = await harness.run("return await tools.spawn.work({seconds: 600}).done.catch((e) => e.message);")

    assert "its deadline of 0.05 s passed" in run.result


async def test_the_end_of_a_turn_ends_its_tasks_but_not_those_of_the_conversation(harness):
    told: list[object] = []
    with harness.listening(told.append):
        run = await harness.run(
            "return [tools.spawn.work({seconds: 600}), tools.spawn.work({seconds: 600, scope: 'conversation'})]"
            ".map((t) => t.id);"
        )
        ours, kept = run.result
        await harness.board.end_turn(None)

    assert await statuses(harness) == {ours: "cancelled", kept: "running"}
    assert [(e.task_id, e.scope) for e in told if isinstance(e, TaskStarted)] == [
        (ours, "turn"),
        (kept, "conversation"),
    ]
    assert [(e.task_id, e.status.value) for e in told if isinstance(e, TaskFinished)] == [(ours, "cancelled")]
