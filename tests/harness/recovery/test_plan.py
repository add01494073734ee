"""Plans: one dry execution shows every effect; the live run is bound to what was approved."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolscript.approvals.request import Choice, Decision
from toolscript.errors import ConfigError
from toolscript.events import OperationStatus, RunStatus
from toolscript.harness import Harness

pytestmark = pytest.mark.anyio

SCRIPT = """
const text = await readFile('a.txt');
await writeFile('b.txt', text.toUpperCase());
const seen = await readFile('b.txt');
await applyPatch(`*** Begin Patch
*** Update File: a.txt
@@
-one
+two
*** End Patch`);
const made = await shell('touch made.txt');
return [seen, made.exitCode, made.planned === true];
"""


@pytest.fixture
async def harness(tmp_path: Path):
    (tmp_path / "a.txt").write_text("one\n")
    async with Harness(tmp_path) as opened:
        yield opened


def names(root: Path) -> list[str]:
    return sorted(p.name for p in root.iterdir())


async def test_a_dry_run_has_no_effect_and_planned_writes_are_seen_by_later_reads(harness):
    run = await harness.run(SCRIPT, mode="dry-run")

    assert run.result == ["ONE\n", 0, True], run.error
    assert names(harness.workspace) == ["a.txt"]
    assert [o.status for o in run.operations] == [
        OperationStatus.SUCCEEDED, OperationStatus.PLANNED, OperationStatus.SUCCEEDED, OperationStatus.PLANNED,
        OperationStatus.PLANNED,
    ]  # fmt: skip


async def test_a_plan_is_a_table_of_effects_with_diffs(harness):
    plan = await harness.plan(SCRIPT)
    rows = plan.to_json()["rows"]

    assert plan.status == "complete"
    assert [(r["number"], r["tool"], r["effect"]) for r in rows] == [
        (2, "writeFile", "write"), (4, "applyPatch", "write"), (5, "shell", "execute"),
    ]  # fmt: skip
    assert "+ONE" in rows[0]["diff"]
    assert "+two" in rows[1]["diff"]


async def test_an_approved_plan_runs_without_asking_and_once(harness):
    plan = await harness.plan(SCRIPT)

    run = await harness.run(SCRIPT, plan=plan.approve())

    assert run.error is None
    assert names(harness.workspace) == ["a.txt", "b.txt", "made.txt"]
    assert (harness.workspace / "a.txt").read_text() == "two\n"


async def test_a_declined_row_is_denied_and_the_others_run(harness):
    plan = await harness.plan(SCRIPT)

    run = await harness.run(SCRIPT, plan=plan.approve([2, 4]))

    assert run.error["code"] == "approval_denied"
    assert names(harness.workspace) == ["a.txt", "b.txt"]


async def test_a_file_that_changed_since_the_plan_asks(harness):
    plan = await harness.plan(SCRIPT)
    (harness.workspace / "b.txt").write_text("somebody else's\n")
    decider = Answering(harness, Choice.DENY)

    with harness.approvals.attach(decider):
        run = await harness.run(SCRIPT, plan=plan.approve())

    assert [request.tool for request in decider.shown] == ["writeFile"]
    assert run.error["code"] == "approval_denied"
    assert (harness.workspace / "b.txt").read_text() == "somebody else's\n"


async def test_an_effect_outside_the_plan_asks_even_where_the_policy_would_not(harness):
    source = "const n = (await listDir('.')).length; await writeFile('n' + n + '.txt', 'x')"
    plan = await harness.plan(source)
    (harness.workspace / "more.txt").write_text("")

    run = await harness.run(source, plan=plan.approve())

    assert run.error["code"] == "approval_unavailable"
    assert "not in the approved plan" in run.error["message"]


async def test_a_plan_ends_where_nobody_knows_what_a_call_would_answer(harness):
    source = "await writeFile('c.txt', 'x');\nconst a = await tools.agent({agent: 'recorded', prompt: 'Hello'});\nreturn a.text"
    plan = await harness.plan(source)

    assert (plan.status, plan.line) == ("partial", 2)
    assert [(row.tool, row.waits) for row in plan.rows] == [("writeFile", False), ("agent", True)]
    assert not (harness.workspace / "c.txt").exists()


async def test_another_script_is_not_this_plan(harness):
    plan = await harness.plan(SCRIPT)

    with pytest.raises(ConfigError, match="another script"):
        await harness.run(SCRIPT + " ", plan=plan.approve())
    with pytest.raises(ConfigError, match="no row 99"):
        plan.approve([99])


async def test_known_safe_commands_run_while_nothing_is_planned(harness):
    run = await harness.run("return (await shell('cat a.txt')).stdout", mode="dry-run")

    assert (run.status, run.result) == (RunStatus.COMPLETED, "one\n")


async def test_a_dry_run_keeps_the_store_as_it_was(harness):
    await harness.run("store.set('k', 1)", mode="dry-run")

    assert (await harness.run("return store.get('k') ?? null")).result is None


class Answering:
    name = "test"

    def __init__(self, harness, choice):
        self.harness, self.choice, self.shown = harness, choice, []

    def show(self, request):
        self.shown.append(request)
        self.harness.approvals.decide_threadsafe(request.approval_id, Decision(choice=self.choice, by="test"))

    def withdraw(self, approval_id, decision):
        pass
