"""What is on disk of a conversation while it goes on: each reply before its scripts run, each step before the next."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from tests.harness.models.server import SILENCE, Answer
from tests.harness.models.wires import WIRES, Asked, Text
from tests.harness.talking import script, talking

from toolscript.approvals.rules import Rule
from toolscript.errors import JournalDamaged, JournalError
from toolscript.events import ScriptExecution, ScriptExecutionOutput
from toolscript.journal.conversation import (
    ConversationJournal,
    ConversationRecord,
    Conversations,
    ReplyRecord,
    StepRecord,
    TurnEndRecord,
    TurnRecord,
    conversation_path,
    conversation_records,
    conversations_dir,
    sweep_conversations,
)
from toolscript.journal.reader import records
from toolscript.journal.records import RunRecord
from toolscript.journal.state import run_path

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[2]


def written(harness):
    return list(conversation_records(conversation_path(harness.state, harness.conversation_id)))


async def test_a_turn_is_written_down_in_its_order(workplace):
    replies = (
        (Text("I look.\n"), script("return 1"), Text("and then\n"), script("return 2"), Text("wait")),
        (Text("One call."), Asked("read_file", '{"path": "a.txt"}')),
        Text("Done."),
    )
    (workplace / "work" / "a.txt").write_text("x")
    async with talking(workplace, *replies) as (harness, _):
        turn = await harness.turn("go")
        found = written(harness)
        run = next(records(run_path(harness.state, turn.runs[0].run_id)))

    kinds = [type(r) for r in found]
    assert kinds == [
        ConversationRecord, TurnRecord, ReplyRecord, ReplyRecord, ReplyRecord, StepRecord,
        ReplyRecord, StepRecord, ReplyRecord, StepRecord, TurnEndRecord,
    ]  # fmt: skip
    first, second, rest = found[2:5]
    assert first.text.rstrip().endswith("</tool-calls>") and first.text.startswith("I look.")
    assert second.text.rstrip().endswith("return 2\n</tool-calls>") and not second.ended
    assert rest.text.strip() == "wait" and rest.ended
    assert found[5].runs == tuple(r.run_id for r in turn.runs)
    assert [c["name"] for c in found[6].calls] == ["read_file"]
    assert (found[-1].status, found[-1].text) == ("completed", "Done.")
    assert isinstance(run, RunRecord)
    assert (run.turn_id, run.step, run.conversation_id) == (turn.turn_id, 1, harness.conversation_id)


async def test_the_reply_is_written_when_its_script_starts(workplace):
    stream = Answer([WIRES[0].begun(Text("See:\n"), script("return 1")), SILENCE])
    seen = []
    async with talking(workplace, stream) as (harness, _), anyio.create_task_group() as group:
        ran = anyio.Event()

        def hear(event):
            if isinstance(event, ScriptExecution):
                seen.extend(written(harness))
            if isinstance(event, ScriptExecutionOutput):
                ran.set()

        with harness.listening(hear):
            group.start_soon(harness.turn, "go")
            await ran.wait()
            group.cancel_scope.cancel()
        # The block above ends by the cancellation; what is on disk then is read below.
    after = list(conversation_records(conversation_path(harness.state, harness.conversation_id)))

    assert [type(r) for r in seen] == [ConversationRecord, TurnRecord, ReplyRecord]
    assert seen[-1].text.rstrip().endswith("</tool-calls>")
    assert isinstance(after[-1], TurnEndRecord) and after[-1].status == "aborted"


async def test_an_effect_waits_until_the_reply_that_asked_for_it_is_durable(workplace, monkeypatch):
    order = []
    plain = ConversationJournal.sync

    async def noted(self):
        await plain(self)
        order.append(("conversation", Path(workplace / "work" / "a.txt").exists()))

    monkeypatch.setattr(ConversationJournal, "sync", noted)
    replies = (script("return 1"), script("await writeFile('a.txt', 'x')"), Text("ok"))
    async with talking(workplace, *replies) as (harness, _):
        await harness.turn("go")

    assert order[0] == ("conversation", False), "synced before the file was there, and not for the read-only script"
    assert order[-1] == ("conversation", True)


async def test_no_secret_is_on_disk(workplace, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "canary-token-1234")
    async with talking(workplace, Text("it is canary-token-1234")) as (harness, _):
        await harness.turn("what is canary-token-1234?")
        found = written(harness)
    held = [p for p in (workplace / "state").rglob("*") if p.is_file() and b"canary-token-1234" in p.read_bytes()]

    assert held == []
    assert found[1].prompt == "what is ⟦secret:SOME_TOKEN⟧?"


async def test_a_rewind_is_seen_from_the_turns_that_a_later_one_continues(workplace):
    async with talking(workplace, Text("a"), Text("b"), Text("c")) as (harness, _):
        first, second = [await harness.turn(p) for p in ("one", "two")]
        harness.conversation.rewind(second.turn_id)
        await harness.turn("three")
        turns = [r for r in written(harness) if isinstance(r, TurnRecord)]

    assert [t.before for t in turns] == [(), (first.turn_id,), (first.turn_id,)]


async def test_an_asked_agent_has_a_conversation_of_its_own_that_names_its_asker(workplace):
    asking = script("return (await tools.agent({agent: 'other', prompt: 'hm?'})).text")
    more = '\n[agents.other]\nprovider = "openai-responses"\nmodel = "m"\nbase_url = "{base}"\n'
    rules = (Rule(tool="agent", verdict="allow"),)
    async with talking(workplace, asking, Text("yes"), Text("It said yes."), more=more, rules=rules) as (harness, _):
        turn = await harness.turn("go")
        firsts = [next(conversation_records(p)) for p in conversations_dir(harness.state).glob("*.jsonl")]

    run = turn.runs[0]
    assert {r.parent for r in firsts} == {None, f"{run.run_id}/1"}, run.error


async def test_what_cannot_be_written_down_is_not_run(workplace, monkeypatch):
    plain = ConversationJournal.write

    def full(self, record):
        if isinstance(record, ReplyRecord):
            raise JournalError("no space left")
        plain(self, record)

    monkeypatch.setattr(ConversationJournal, "write", full)
    async with talking(workplace, script("await writeFile('a.txt', 'x')")) as (harness, _):
        turn = await harness.turn("go")

    assert turn.status == "failed"
    assert "no space left" in turn.error["message"]
    assert not (workplace / "work" / "a.txt").exists()


def test_a_later_kind_is_passed_over_and_damage_is_told(tmp_path):
    path = tmp_path / "conv-1.jsonl"
    journal = ConversationJournal(path)
    journal.write(ConversationRecord(conversation_id="conv-1", workspace="/w"))
    journal._file.append("hologram", {"colour": "blue"})
    journal.write(TurnRecord(turn_id="t", prompt="p" * 40_000, agent="a", model="m", mode="on"))
    journal.close()

    assert [r.kind for r in conversation_records(path)] == ["conversation", "turn"]
    assert len(list(conversation_records(path))[1].prompt) == 40_000
    path.write_bytes(path.read_bytes().replace(b"blue", b"grey"))
    with pytest.raises(JournalDamaged):
        list(conversation_records(path))


def test_a_conversation_that_somebody_writes_is_not_written_by_another(tmp_path):
    mine, other = (Conversations(tmp_path, "/w") for _ in range(2))
    first, second = mine.of("conv-1"), other.of("conv-1")

    assert first.path != second.path
    mine.close()
    other.close()
    again = Conversations(tmp_path, "/w").of("conv-1")
    again.write(TurnRecord(turn_id="t", prompt="p", agent="a", model="m", mode="on"))
    again.close()
    assert [r.kind for r in conversation_records(first.path)] == ["conversation", "turn"]


def test_an_id_leads_nowhere_else(tmp_path):
    with pytest.raises(JournalError):
        Conversations(tmp_path, "/w").of("../x")


def test_the_oldest_conversations_go_and_open_ones_stay(tmp_path):
    talks = Conversations(tmp_path, "/w")
    for n in range(5):
        os.utime(talks.of(f"conv-{n}").path, (n, n))
    for n in (1, 2, 3, 4):
        talks.close(f"conv-{n}")

    assert set(sweep_conversations(tmp_path, most=2)) == {"conv-1", "conv-2"}
    assert sorted(p.stem for p in conversations_dir(tmp_path).glob("*.jsonl")) == ["conv-0", "conv-3", "conv-4"]
    talks.close()
