"""Agents that ask agents: real harness, real workers, recorded models."""

from __future__ import annotations

import json

import pytest

from toolscript.approvals.request import Choice, Decision
from toolscript.approvals.rules import Rule
from toolscript.events import ErrorEvent, OperationStatus, RunStatus, TurnFinished, TurnStarted
from toolscript.harness import Harness

pytestmark = pytest.mark.anyio

ALLOWED = Rule(tool="agent", verdict="allow")


def script(source):
    return f"<tool-calls>\n{source}\n</tool-calls>"


def ask(agent, prompt):
    return f"const a = await tools.agent({{agent: {json.dumps(agent)}, prompt: {json.dumps(prompt)}}}); return a;"


@pytest.fixture
def team(tmp_path, monkeypatch):
    """Give a function that opens a harness whose agents say what a test wrote down."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    workspace = tmp_path / "work"
    workspace.mkdir()
    (workspace / "a.txt").write_text("alpha\n")

    def opened(agents="", rules=(ALLOWED,), **turns):
        folder = tmp_path / "config" / "toolscript"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "toolscript.toml").write_text(agents)
        talk = {"recordings": [{"prompt": p.replace("_", " "), "steps": steps} for p, steps in turns.items()]}
        (tmp_path / "talk.json").write_text(json.dumps(talk))
        return Harness(workspace, agent="recorded", rules=rules, recordings=[tmp_path / "talk.json"])

    return opened


REVIEWER = '[agents.reviewer]\nprovider = "recorded"\n'


async def test_another_agent_answers_and_its_events_stand_below_the_call(team):
    steps = [script("return (await readFile('a.txt')).trim()"), "It says alpha."]
    async with team(REVIEWER, go=[script(ask("reviewer", "what does it say")), "done"], what_does_it_say=steps) as h:
        heard = []
        with h.listening(heard.append):
            turn = await h.turn("go")

    assert turn.runs[0].result == {"text": "It says alpha.", "status": "completed", "steps": 2}
    call = turn.runs[0].operations[0]
    assert (call.tool, call.status) == ("agent", OperationStatus.SUCCEEDED)
    parent = f"{turn.runs[0].run_id}/{call.number}"
    nested = [e for e in heard if e.parent == parent]
    assert isinstance(nested[0], TurnStarted)
    assert nested[0].agent == "reviewer"
    assert isinstance(nested[-1], TurnFinished)
    assert {e.conversation_id for e in nested} != {turn.events[0].conversation_id}
    assert set(map(id, nested)) <= set(map(id, turn.events))
    assert len(h.conversation.turns) == 1


async def test_agents_ask_at_most_three_deep(team):
    agents = "".join(f'[agents.a{n}]\nprovider = "recorded"\n' for n in range(1, 5))
    turns = {f"ask_{n}": [script(ask(f"a{n + 1}", f"ask {n + 1}")), f"answer {n}"] for n in range(5)}
    async with team(agents, **turns) as h:
        heard = []
        with h.listening(heard.append):
            turn = await h.turn("ask 0")

    assert [e.agent for e in heard if isinstance(e, TurnStarted)] == ["recorded", "a1", "a2", "a3"]
    errors = [o.error for e in [turn] for o in e.runs[0].operations]
    assert errors == [None]
    assert "too_deep" in {e.error["code"] for e in heard if getattr(e, "error", None)}


class Stopping:
    """A person who denies whatever is asked, and ends the turn."""

    name = "person"

    def __init__(self, h):
        self.h = h

    def show(self, request):
        self.h.approvals.decide_threadsafe(
            request.approval_id, Decision(choice=Choice.DENY_AND_STOP, by=self.name, reason="enough")
        )

    def withdraw(self, approval_id, decision):
        pass


REMOVE = script("try { await shell('rm -rf a.txt') } catch {} return 'went on'")


@pytest.mark.parametrize(
    "first",
    [
        "try { await tools.agent({agent: 'a1', prompt: 'one'}) } catch {} await writeFile('b.txt', 'x'); return 'on'",
        "const t = tools.spawn.agent({agent: 'a1', prompt: 'one'}); try { await t.done } catch {} await writeFile('b.txt', 'x')",
    ],
)
async def test_who_denies_a_call_of_an_asked_agent_and_ends_the_turn_ends_the_turn_that_they_see(team, first):
    agents = '[agents.a1]\nprovider = "recorded"\n[agents.a2]\nprovider = "recorded"\n'
    turns = {"go": [script(first), "never said"], "one": [script(ask("a2", "two")), "no"], "two": [REMOVE, "no"]}
    async with team(agents, **turns) as h:
        heard = []
        with h.listening(heard.append), h.approvals.attach(Stopping(h)):
            turn = await h.turn("go")

    assert (turn.status, turn.reason, turn.steps) == ("stopped", "denied_and_stopped", 1)
    assert [e.reason for e in heard if isinstance(e, TurnFinished)] == ["denied_and_stopped"] * 3
    assert turn.runs[0].error["code"] == "approval_denied"
    assert sorted(p.name for p in h.workspace.iterdir()) == ["a.txt"]


async def test_no_such_agent_and_a_failing_agent_are_errors_that_the_script_can_handle(team):
    source = (
        "const code = async (agent, prompt) => { try { await tools.agent({agent, prompt}) } "
        "catch (e) { return [e.code, e.message] } };"
        "return [await code('nobody', 'x'), await code('reviewer', 'never recorded')]"
    )
    async with team(REVIEWER, go=[script(source), "done"]) as h:
        turn = await h.turn("go")

    (missing, failing) = turn.runs[0].result
    assert missing[0] == "not_found"
    assert "reviewer" in missing[1]
    assert failing[0] == "agent_failed"
    assert "nothing is recorded for" in failing[1]
    assert turn.status == "completed"


async def test_an_agent_with_a_looser_policy_does_not_loosen_its_asker(team):
    agents = '[agents.recorded]\npolicy = "untrusted"\n[agents.loose]\nprovider = "recorded"\npolicy = "on-request"\n'
    steps = [script("await writeFile('b.txt', 'x'); return 1"), "written"]
    async with team(agents, go=[script(ask("loose", "write")), "done"], write=steps) as h:
        heard = []
        with h.listening(heard.append):
            await h.turn("go")

    assert not (h.workspace / "b.txt").exists()
    assert "approval_unavailable" in str([e for e in heard if e.parent])


async def test_a_deny_rule_of_the_asker_binds_whom_it_asks(team):
    rules = (ALLOWED, Rule(tool="readFile", verdict="deny"))
    steps = [script("return readFile('a.txt')"), "read"]
    async with team(REVIEWER, rules=rules, go=[script(ask("reviewer", "read")), "done"], read=steps) as h:
        heard = []
        with h.listening(heard.append):
            await h.turn("go")

    assert "alpha" not in str(heard)


async def test_an_agent_works_within_its_own_limits(team):
    agents = REVIEWER + "limits = { calls = 1 }\nmax_steps = 2\n"
    steps = [script("await readFile('a.txt'); await readFile('a.txt'); return 1"), script("return 2"), "never"]
    async with team(agents, go=[script(ask("reviewer", "read")), "done"], read=steps) as h:
        heard = []
        with h.listening(heard.append):
            turn = await h.turn("go")

    assert turn.runs[0].status is RunStatus.COMPLETED
    assert turn.runs[0].result["status"] == "stopped"
    assert "call_limit" in str(heard)


async def test_without_consent_no_other_agent_is_asked(team):
    async with team(REVIEWER, rules=(), go=[script(ask("reviewer", "x")), "done"]) as h:
        turn = await h.turn("go")

    assert turn.runs[0].error["code"] == "approval_unavailable"
    assert not [e for e in turn.events if isinstance(e, ErrorEvent)]
    assert turn.runs[0].operations[0].error["code"] == "approval_unavailable"


async def test_the_runs_of_an_asked_agent_name_their_parent_in_their_journal(team):
    from toolscript.journal.reader import records
    from toolscript.journal.records import RunRecord
    from toolscript.journal.state import run_path

    steps = [script("return 1"), "one"]
    async with team(REVIEWER, go=[script(ask("reviewer", "x")), "done"], x=steps) as h:
        turn = await h.turn("go")
        nested = next(e.run_id for e in turn.events if e.parent and e.run_id)
        first = next(iter(records(run_path(h.state, nested))))

    assert isinstance(first, RunRecord)
    assert first.parent == f"{turn.runs[0].run_id}/1"
