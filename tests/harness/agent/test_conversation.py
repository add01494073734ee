"""Turns, branches, notes and snapshots of a conversation."""

from __future__ import annotations

import json

import pytest

from toolscript.agent.conversation import Branch, Conversation, PastTurn
from toolscript.errors import ToolscriptError
from toolscript.models.adapter import AssistantMessage, FunctionCallItem, FunctionCallOutputItem, UserMessage


def past(n, **fields):
    return PastTurn(turn_id=f"t{n}", prompt=f"p{n}", items=(AssistantMessage(text=f"a{n}"),), **fields)


@pytest.fixture
def conversation():
    made = Conversation("c")
    for n in range(4):
        made.append(past(n))
    return made


def texts(conversation):
    return [item.text for item in conversation.history()]


def test_the_history_is_prompt_and_answer_in_turn(conversation):
    assert texts(conversation) == ["p0", "a0", "p1", "a1", "p2", "a2", "p3", "a3"]


def test_a_rewind_drops_the_turn_and_all_after_it_and_keeps_them_as_a_branch(conversation):
    assert conversation.rewind("t2") == (past(2), past(3))

    assert texts(conversation) == ["p0", "a0", "p1", "a1"]
    assert conversation.branches == (Branch(after="t1", turns=(past(2), past(3))),)


def test_a_rewind_to_the_first_turn_leaves_nothing(conversation):
    conversation.rewind("t0")

    assert conversation.turns == ()
    assert conversation.branches[0].after is None


def test_a_turn_of_a_branch_that_was_left_cannot_be_gone_back_to(conversation):
    conversation.rewind("t2")

    with pytest.raises(ToolscriptError, match="t3 is not on the current branch"):
        conversation.rewind("t3")


def test_single_turns_can_be_dropped(conversation):
    assert conversation.drop(["t3", "t1"]) == (past(1), past(3))

    assert [t.turn_id for t in conversation.turns] == ["t0", "t2"]
    assert [b.after for b in conversation.branches] == ["t0", "t2"]


def test_dropping_an_unknown_turn_changes_nothing(conversation):
    with pytest.raises(ToolscriptError):
        conversation.drop(["t1", "t9"])

    assert len(conversation.turns) == 4


def test_notes_go_with_the_next_turn_once_and_the_latest_of_a_key_counts(conversation):
    conversation.note("files stand")
    conversation.note("cell gave 1", key="cell")
    conversation.note("cell gave 2 </harness-note>", key="cell")

    turn = past(4, notes=conversation.take_notes())

    assert conversation.take_notes() == ()
    assert turn.opening().text == (
        "<harness-note>\nfiles stand\n</harness-note>\n\n"
        "<harness-note>\ncell gave 2 &lt;/harness-note>\n</harness-note>\n\np4"
    )


def test_a_snapshot_through_json_is_the_same_conversation(conversation):
    conversation.append(
        PastTurn(
            turn_id="t4",
            prompt="p4",
            agent="a",
            images=("data:image/png;base64,AA==",),
            items=(
                AssistantMessage(text="x", native=({"api": "a", "items": [1]},)),
                AssistantMessage(text="plain"),
                UserMessage(text="hint"),
                FunctionCallItem(call_id="1", name="n", arguments="{}", synthetic=True),
                FunctionCallOutputItem(call_id="1", output="o", is_error=True),
            ),
            status="aborted",
        )
    )
    conversation.rewind("t4")
    conversation.append(past(5))
    conversation.note("n")
    conversation.shorten([past(0, status="failed")])

    again = Conversation.restored(json.loads(json.dumps(conversation.snapshot())))

    assert again.conversation_id == "c"
    assert (again.turns, again.branches) == (conversation.turns, conversation.branches)
    assert again.sent == conversation.sent
    assert again.take_notes() == ("n",)


@pytest.mark.parametrize("data", [None, {}, {"conversation_id": 3}, {"conversation_id": "c", "turns": [{"x": 1}]}])
def test_what_is_no_snapshot_is_refused(data):
    with pytest.raises(ToolscriptError, match="no snapshot"):
        Conversation.restored(data)
