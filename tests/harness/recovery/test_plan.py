"""Plans: one dry execution shows every effect; the live run is bound to what was approved."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from toolscript.approvals.request import Choice, Decision, Policy
from toolscript.approvals.rules import Rule
from toolscript.errors import ConfigError
from toolscript.events import OperationStatus, RunStatus
from toolscript.harness import Harness
from toolscript.journal.records import AskRecord, BeginRecord, DecisionRecord, MemoryJournal
from toolscript.recovery.past import Past
from toolscript.registry.function import tool

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


@pytest.mark.parametrize(("planned", "live"), [(1, True), (0, False), ({"a": [1]}, {"a": [True]}), (None, {})])
async def test_other_params_are_not_this_plan_even_where_python_takes_them_for_equal(harness, planned, live):
    plan = await harness.plan(SCRIPT, params={"x": planned})

    with pytest.raises(ConfigError, match="other params"):
        await harness.run(SCRIPT, params={"x": live}, plan=plan.approve())


async def test_known_safe_commands_run_while_nothing_is_planned(harness):
    run = await harness.run("return (await shell('cat a.txt')).stdout", mode="dry-run")

    assert (run.status, run.result) == (RunStatus.COMPLETED, "one\n")


async def test_a_dry_run_keeps_the_store_as_it_was(harness):
    await harness.run("store.set('k', 1)", mode="dry-run")

    assert (await harness.run("return store.get('k') ?? null")).result is None


def rule(verdict, tool, **named):
    return Rule(tool=tool, verdict=verdict, arguments=named)


@asynccontextmanager
async def ruled(workspace, *rules, **options):
    (workspace / "a.txt").write_text("one\n")
    async with Harness(workspace, rules=rules, **options) as opened:
        yield opened


async def test_what_a_rule_denies_is_denied_in_the_plan_and_never_runs_under_it(tmp_path):
    source = """
        const said = await writeFile('b.txt', 'x').catch((e) => e.code);
        await writeFile('c.txt', said);
        return said"""
    async with ruled(tmp_path, rule("deny", "writeFile", path="b.txt")) as harness:
        plan = await harness.plan(source)
        first, second = plan.rows
        with pytest.raises(ConfigError, match="deny writeFile"):
            plan.approve([first.number])
        run = await harness.run(source, plan=plan.approve())

    assert "deny writeFile" in first.denied and not second.denied
    assert "deny writeFile" in plan.to_json()["rows"][0]["denied"]
    assert (run.result, run.error) == ("approval_unavailable", None)
    assert names(tmp_path) == ["a.txt", "c.txt"]


async def test_a_rule_that_denies_since_the_plan_was_approved_counts(tmp_path):
    source = "await writeFile('b.txt', 'x')"
    async with ruled(tmp_path) as harness:
        approved = (await harness.plan(source)).approve()
        harness.rules = (rule("deny", "writeFile"),)
        run = await harness.run(source, plan=approved)

    assert run.error["code"] == "approval_unavailable"
    assert names(tmp_path) == ["a.txt"]


async def test_a_plan_says_what_would_ask(tmp_path):
    source = "await writeFile('toolscript.toml', ''); await writeFile('b.txt', 'x'); await writeFile('c.txt', 'x')"
    async with ruled(tmp_path, rule("ask", "writeFile", path="b.txt")) as harness:
        rows = (await harness.plan(source)).rows

    assert "protected" in rows[0].asks and "ask writeFile" in rows[1].asks and not rows[2].asks


@pytest.mark.parametrize(
    ("rules", "options"),
    [
        ([rule("deny", "shell", command="cat *")], {}),
        ([rule("ask", "shell")], {}),
        ([], {"policy": Policy.ALWAYS_ASK}),
    ],
    ids=["deny", "ask", "always-ask"],
)
async def test_a_dry_run_runs_no_known_safe_command_that_would_be_denied_or_asked_about(tmp_path, rules, options):
    async with ruled(tmp_path, *rules, **options) as harness:
        run = await harness.run("return shell('cat a.txt').then((r) => r.stdout, (e) => e.code)", mode="dry-run")

    assert run.result in ("", "approval_unavailable")


@pytest.mark.parametrize("effect", ["write", "execute", "network"])
async def test_a_dry_run_never_calls_a_function_that_writes_by_itself(tmp_path, effect):
    @tool(effect=effect)
    def make(name: str) -> str:
        """Make a file."""
        (tmp_path / name).write_text("made")
        return name

    async with ruled(tmp_path, tools=[make]) as harness:
        plan = await harness.plan("await tools.make({name: 'b.txt'}); await writeFile('c.txt', 'x')")

    assert names(tmp_path) == ["a.txt"]
    assert (plan.status, plan.line) == ("partial", 1)
    assert [(row.tool, row.waits) for row in plan.rows] == [("make", True)]


async def test_a_patch_given_to_a_command_is_planned_as_a_patch(tmp_path):
    source = "await exec(['apply_patch', params]); return readFile('b.txt')"
    params = "*** Begin Patch\n*** Add File: b.txt\n+x\n*** End Patch"
    async with ruled(tmp_path) as harness:
        run = await harness.run(source, params=params, mode="dry-run")

    assert run.result == "x\n"
    assert names(tmp_path) == ["a.txt"]


async def test_what_was_approved_with_a_plan_is_written_down_so_that_a_resume_knows_of_it(tmp_path):
    journals: list[MemoryJournal] = []

    def journal(run_id: str) -> MemoryJournal:
        journals.append(MemoryJournal())
        return journals[-1]

    async with ruled(tmp_path, journals=journal) as harness:
        plan = await harness.plan("await writeFile('b.txt', 'x')")
        await harness.run("await writeFile('b.txt', 'x')", plan=plan.approve(by="terminal"))

    kept = list(journals[-1].records)
    (ask,) = [r for r in kept if isinstance(r, AskRecord)]
    (decision,) = [r for r in kept if isinstance(r, DecisionRecord)]
    begin = next(r for r in kept if isinstance(r, BeginRecord))
    assert kept.index(ask) < kept.index(decision) < kept.index(begin)
    assert (decision.decision, decision.by, decision.reason) == ("allow", "terminal", "row #1 of the approved plan")
    memory = Past.read(kept[: kept.index(begin)]).memory()
    assert memory.recall(1, "another digest") is None
    recalled = memory.recall(1, ask.digest)
    assert recalled is not None and recalled.choice is Choice.ALLOW


class Answering:
    name = "test"

    def __init__(self, harness, choice):
        self.harness, self.choice, self.shown = harness, choice, []

    def show(self, request):
        self.shown.append(request)
        self.harness.approvals.decide_threadsafe(request.approval_id, Decision(choice=self.choice, by="test"))

    def withdraw(self, approval_id, decision):
        pass
