"""The benchmark of calls and scripts does its workflows, and says what it does not show."""

from __future__ import annotations

import os

import pytest
from benchmarks.workflows import CONDITIONAL, LOG_TRIAGE, RENAME, WORKFLOWS
from tests.harness.models.server import Answer, provider
from tests.harness.models.wires import WIRES
from tests.needs import need

from benchmarks import agent as bench

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(autouse=True)
def own_place(monkeypatch):
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    need("landlock", "seccomp")


def test_there_are_ten_workflows():
    assert len({workflow.name for workflow in WORKFLOWS}) == 10


@pytest.mark.parametrize("workflow", [RENAME, CONDITIONAL, LOG_TRIAGE], ids=lambda w: w.name)
async def test_a_workflow_is_done_both_ways_and_scripts_take_fewer_prompt_bytes(workflow):
    calls, scripts = [await bench.scripted(workflow, way, WIRES[0]) for way in bench.WAYS]

    assert calls.done
    assert scripts.done
    assert scripts.prompt < calls.prompt
    assert scripts.trips <= calls.trips


async def test_a_workflow_that_is_not_done_counts_as_that():
    wrong = bench.replace(CONDITIONAL, scripts=("return 1",), answer="none")

    assert not (await bench.scripted(wrong, "scripts", WIRES[0])).done


async def test_the_live_mode_reports_completions_of_a_configured_agent():
    wire = WIRES[1]
    streams = [Answer([body]) for body in bench.replies(CONDITIONAL, "scripts", wire)]
    async with provider(*streams) as served:
        fields = {"provider": wire.name, "model": "m", "base_url": served.url, "settings": {"temperature": 0}}
        base = "".join(f"{name} = {bench.toml(value)}\n" for name, value in fields.items())
        text = f"[agents.scripts]\n{base}{bench.TERMS['scripts']}"
        row = await bench.live_row(CONDITIONAL, "scripts", text, 1)

    assert row.startswith("| patch files on a condition | scripts | 1 of 1 | 2 | 200 | 40 |")
    assert served.requests[0]["temperature"] == 0


def test_the_page_says_what_is_unproven():
    cost = bench.Cost(trips=2, prompt=4000, fresh=3000, written=10, seconds=0.5, done=True)
    page = bench.page({"x": {"calls": cost, "scripts": cost}}, WIRES[0], 3, "x.svg")

    assert "scripted models" in page
    assert "are unproven" in page.replace("\n", " ")
    assert "| x | 2 → 2 | 4,000 → 4,000 | 1,000 → 1,000 |" in page
