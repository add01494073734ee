"""What a shell says to names of nothing: one sentence that tells what to do, and the exit code of a usage error."""

from __future__ import annotations

import io
from importlib.metadata import version

import pytest
from rich.console import Console
from tests.extension.cli.test_recovery import HELD, killed, recorded
from tests.extension.cli.test_run import toolscript
from tests.harness.approvals.parts import request

from toolscript_extension.cli import approvals


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["undo", "r-nope"], "there is no run or turn r-nope"),
        (["resume", "r-nope"], "there is no run 'r-nope'"),
        (["resume", "../r-nope"], "there is no run '../r-nope'"),
        (["audit", "r-nope"], "there is no journal 'r-nope'"),
        (["replay", "no run"], "there is no journal 'no run'"),
        (["approvals", "r-nope", "--allow"], "Nothing waits for consent"),
        (["replay", "script.ts"], "script.ts is not a journal; give one, the id of a run"),
        (["audit", "script.ts"], "script.ts is not a journal; give one, the id of a run"),
        (["audit", "empty.txt"], "empty.txt is not a journal"),
        (["trust", "script.ts"], "only a workspace's toolscript.toml or .mcp.json can be trusted"),
        (["demo", "--output", "nowhere/x.ipynb"], "there is no directory nowhere; make it, or name another"),
        (["demo", "--output", "."], "--output . is a directory; name a file in it"),
        (["demo"], "give the path of a notebook, or go to the top of a clone"),
    ],
)
def test_a_name_of_nothing_is_a_usage_error_in_one_sentence(workspace, words, says):
    (workspace / "script.ts").write_text("return 1\n")
    (workspace / "empty.txt").write_text("")

    done = toolscript(workspace, *words)

    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert says in done.stderr and len(done.stderr.splitlines()) == 1
    assert sorted(p.name for p in workspace.iterdir()) == ["empty.txt", "script.ts"]


def test_a_journal_that_is_damaged_is_a_failure_not_a_usage_error(workspace):
    path = recorded(workspace, "return 1")
    path.write_bytes(b"{" + path.read_bytes())

    done = toolscript(workspace, "audit", path.stem)

    assert done.returncode == 1 and "the journal is damaged" in done.stderr


def test_a_choice_that_is_not_in_question_is_refused_with_those_that_are(workspace):
    for name in "ab":
        (workspace / name).write_text("old")
    run = recorded(workspace, "await writeFile('a', 'new'); await writeFile('b', 'new'); return 1").stem
    (workspace / "a").write_text("mine")

    asked = toolscript(workspace, "undo", run)
    others = [toolscript(workspace, "undo", run, "--pick", pick) for pick in ("b=keep", "c=restore")]
    left = [(workspace / name).read_text() for name in "ab"]
    done = toolscript(workspace, "undo", run, "--pick", "a=restore", "--pick", "b=restore")

    assert asked.returncode == 1 and "choose with, for each: --pick a=keep|restore|merge\n" in asked.stderr
    assert [other.returncode for other in others] == [2, 2]
    assert all(f"nothing to choose for {workspace}/" in other.stderr for other in others)
    assert all(f"paths that changed since: {workspace}/a\n" in other.stderr for other in others)
    assert left == ["mine", "new"]
    assert done.returncode == 0 and (workspace / "a").read_text() == "old"


def test_an_outcome_of_a_call_that_is_not_in_question_is_refused_with_those_that_are(workspace):
    run_id = killed(workspace, HELD)

    vain = toolscript(workspace, "resume", run_id, "--outcome", "2=fail", "--outcome", "9=again")
    done = toolscript(workspace, "resume", run_id, "--outcome", "2=fail")

    assert vain.returncode == 2
    assert "the outcome of #9 is not in question; calls whose outcome is: #2 shell" in vain.stderr
    assert done.returncode == 1 and "outcome_unknown" in done.stderr, "it is still to be resumed"


def test_the_version_is_told():
    from tests.extension.cli.test_run import ROOT

    done = toolscript(ROOT, "--version")

    assert (done.returncode, done.stdout) == (0, f"toolscript {version('toolscript')}\n")


def test_a_list_of_requests_ends_with_how_to_answer_one():
    told = io.StringIO()

    approvals._list(Console(file=told, width=200), (request(),))
    approvals._list(Console(file=told, width=200), ())

    *_, how, nothing = told.getvalue().splitlines()
    assert how == "answer one with: toolscript approvals ID --allow | --deny [REASON]"
    assert nothing == "Nothing waits for consent."
