"""Each agent of a harness works within its own limits, whichever of them is the default one."""

from __future__ import annotations

import json

import pytest

from toolscript.errors import ConfigError
from toolscript.harness import Harness

pytestmark = pytest.mark.anyio
SMALL = "[agents.recorded.limits]\nheap_bytes = 2097152\nguest_seconds = 0.2\n"
LARGE = (
    '[agents.large]\nprovider = "recorded"\n[agents.large.limits]\nheap_bytes = 134217728\nresult_bytes = 33554432\n'
)
LARGE_RESULT = "return 'x'.repeat(20 << 20);"
HUNGRY = "const a = []; for (let i = 0; i < 40; i++) a.push(new Uint8Array(3e6).fill(1)); return a.length;"


@pytest.fixture
def two_agents(workplace):
    (workplace / "config" / "toolscript" / "toolscript.toml").write_text(SMALL + LARGE)

    def opened(source, **options):
        steps = [f"<tool-calls>\n{source}\n</tool-calls>", "done"]
        talk = {"recordings": [{"prompt": "go", "steps": steps}]}
        (workplace / "talk.json").write_text(json.dumps(talk))
        return Harness(workplace / "work", agent="recorded", recordings=[workplace / "talk.json"], **options)

    return opened


async def test_an_agent_with_larger_limits_than_the_default_ones_has_them_whole(two_agents):
    async with two_agents(HUNGRY) as harness:
        run = (await harness.turn("go", agent="large")).runs[0]
        assert (run.error, run.result) == (None, 40)
    async with two_agents(LARGE_RESULT) as harness:
        run = (await harness.turn("go", agent="large")).runs[0]
        assert (run.error, len(run.result)) == (None, 20 << 20)


async def test_the_default_agent_keeps_its_smaller_ones(two_agents):
    async with two_agents(HUNGRY) as harness:
        run = (await harness.turn("go")).runs[0]

    assert run.error["code"] == "heap_limit"
    assert run.error["details"]["allowed"] == 2 << 20


async def test_a_stack_that_no_worker_can_hold_is_refused_where_it_is_written(workplace):
    (workplace / "config" / "toolscript" / "toolscript.toml").write_text(
        "[agents.recorded.limits]\nstack_bytes = 67108864\n"
    )
    with pytest.raises(ConfigError, match=r"toolscript\.toml:1: .*stack_bytes may be 4 MB at most"):
        Harness(workplace / "work", agent="recorded")
