"""Resume of a run that carries out a plan: what was approved is not asked for again, and nothing else is let through."""

from __future__ import annotations

import json
import signal

import pytest
from tests.harness.recovery.test_resume import effects, host, journal, prepared, workspace  # noqa: F401  # a fixture

from toolscript.approvals.plan import Terms
from toolscript.errors import ConfigError
from toolscript.journal.reader import records
from toolscript.journal.records import DecisionRecord, RunRecord

SCRIPT = """
await writeFile('a.txt', 'a1\\n');
const first = (await shell('echo one >> effects')).exitCode;
await applyPatch(`*** Begin Patch
*** Update File: n.txt
@@
-n=1
+n=2
*** End Patch`);
const second = await shell('echo two >> effects').then((r) => r.exitCode, (e) => e.code);
const third = await shell('echo two >> effects').then((r) => r.exitCode, (e) => e.code);
return [first, second, third];
"""
STOPS = [
    "after:1", "before:begin:1", "after:begin:1", "before:end:1", "after:end:1", "before:call:2", "before:begin:2",
    "after:begin:2", "after:end:2", "before:begin:3", "before:end:3", "after:end:4", "before:begin:5",
]  # fmt: skip


@pytest.mark.parametrize("stop", STOPS)
def test_a_bound_run_killed_anywhere_goes_on_without_asking_for_what_was_approved(workspace, stop):  # noqa: F811
    prepared(workspace, SCRIPT)
    assert host(workspace, "planned", stop)[0] == -signal.SIGKILL

    _, run = host(workspace, "resume", answer="nobody")

    assert (run["status"], run["result"]) == ("completed", [0, 0, 0]), run
    assert effects(workspace) == {"one": 1, "two": 2}
    assert (workspace / "a.txt").read_text() == "a1\n" and (workspace / "n.txt").read_text() == "n=2\n"
    decided = [r for r in records(journal(workspace)) if isinstance(r, DecisionRecord)]
    assert {r.reason for r in decided} == {f"row #{n} of the approved plan" for n in (1, 2, 3, 4, 5)}


@pytest.mark.parametrize("stop", ["before:begin:1", "after:end:3", "after:end:4"])
def test_a_row_that_was_declined_stays_declined(workspace, stop, monkeypatch):  # noqa: F811
    monkeypatch.setenv("LEFT_OUT", "[4]")
    prepared(workspace, SCRIPT)
    assert host(workspace, "planned", stop)[0] == -signal.SIGKILL

    _, run = host(workspace, "resume", answer="nobody")

    assert run["result"] == [0, "approval_denied", 0]
    assert effects(workspace) == {"one": 1, "two": 1}


def test_what_is_no_longer_as_the_plan_showed_it_asks(workspace):  # noqa: F811
    prepared(workspace, SCRIPT)
    assert host(workspace, "planned", "after:end:2")[0] == -signal.SIGKILL
    (workspace / "n.txt").write_text("n=1\nsomebody else's\n")

    _, run = host(workspace, "resume", answer="nobody")

    assert run["error"]["code"] == "approval_unavailable"
    assert "not in the approved plan" in run["error"]["message"]
    assert effects(workspace) == {"one": 1}


def test_a_command_whose_outcome_nobody_knows_is_asked_about_and_uses_up_its_row(workspace):  # noqa: F811
    prepared(workspace, SCRIPT)
    assert host(workspace, "planned", "before:end:4")[0] == -signal.SIGKILL

    _, run = host(workspace, "resume", answer="fail")

    assert [asked["number"] for asked in run["asked"]] == [4]
    assert run["result"] == [0, "outcome_unknown", 0]
    assert effects(workspace) == {"one": 1, "two": 2}


def test_the_terms_of_a_plan_are_kept_with_its_run_and_read_strictly(workspace):  # noqa: F811
    prepared(workspace, SCRIPT)
    host(workspace, "planned")
    run = next(iter(records(journal(workspace))))

    assert isinstance(run, RunRecord) and run.bound and run.plan is not None
    assert Terms.from_json(run.plan).to_json() == json.loads(json.dumps(run.plan))
    for broken in ({}, {**run.plan, "rows": [[1]]}, {**run.plan, "approved": None}):
        with pytest.raises(ConfigError):
            Terms.from_json(broken)
