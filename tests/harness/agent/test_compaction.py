"""What is left out of a history that no longer fits."""

from __future__ import annotations

import pytest
from tests.harness.agent.parts import Ran, script, stage

from toolscript.agent.compaction import compacted, weight
from toolscript.agent.conversation import Conversation, PastTurn
from toolscript.errors import ProviderError
from toolscript.events import ErrorEvent
from toolscript.models.adapter import (
    AssistantMessage,
    Finished,
    FunctionCallItem,
    FunctionCallOutputItem,
    TextDelta,
    UsageReport,
)
from toolscript.testing.scripted import ScriptedModel

pytestmark = pytest.mark.anyio


def step(n, size=5000):
    return (
        AssistantMessage(text=f"step {n} " + script("x" * 2000)),
        FunctionCallItem(call_id=f"c{n}", name="run_script", arguments="{}", synthetic=True),
        FunctionCallOutputItem(call_id=f"c{n}", output=f"output {n} " + "é" * (size // 2)),
    )


def past(n):
    return PastTurn(turn_id=f"t{n}", prompt=f"prompt {n} " + "p" * 100, items=step(n))


def total(turns, items):
    return sum(len(t.opening().text.encode()) + weight(t.items) for t in turns) + weight(items)


@pytest.mark.parametrize("allowed", [100_000, 60_000, 40_000, 30_000, 20_000, 10_000, 1_000])
def test_it_fits_unless_prompts_and_the_last_step_alone_do_not(allowed):
    turns, items = [past(n) for n in range(8)], (*step(8), *step(9))

    made, kept = compacted(turns, items, allowed)

    least = sum(len(t.opening().text) for t in turns) + weight(step(9)) + 9 * 120
    assert total(made, kept) <= max(allowed, least)
    assert [t.prompt for t in made] == [t.prompt for t in turns]
    assert [t.turn_id for t in made] == [t.turn_id for t in turns]
    assert kept[-3:] == step(9)


def test_what_fits_is_left_alone():
    turns, items = (past(1), past(2)), step(3)

    assert compacted(turns, items, 10**9) == (turns, items)


def test_the_oldest_goes_first():
    turns = (past(1), past(2), past(3))

    made, _ = compacted(turns, step(4), total(turns, step(4)) - 3000)

    assert "left out" in made[0].items[2].output
    assert made[1:] == turns[1:]


@pytest.mark.parametrize("allowed", [30_000, 15_000, 5_000])
def test_calls_and_outputs_stay_pairs(allowed):
    made, kept = compacted([past(n) for n in range(5)], (*step(8), *step(9)), allowed)

    for items in (*[t.items for t in made], kept):
        calls = [i.call_id for i in items if isinstance(i, FunctionCallItem)]
        assert calls == [i.call_id for i in items if isinstance(i, FunctionCallOutputItem)]


async def test_a_context_that_fills_up_is_compacted_before_it_is_too_long():
    big = "z" * 6000
    steps = [
        [TextDelta(script(f"return {n}")), UsageReport(input_tokens=1000 + 2000 * n), Finished(reason="stop")]
        for n in range(12)
    ]
    model = ScriptedModel([*steps, "done"])
    executor = Ran(results={f"return {n}": f"{n}{big}" for n in range(12)})
    s = stage(model, executor, context_tokens=16_000, max_output_tokens=1000, max_steps=20)

    turn = await s.loop.run_turn("the prompt")

    assert turn.status == "completed"
    assert "left out" in str(model.requests[-1].history)
    assert f"11{big}"[:50] in str(model.requests[-1].history[-1])
    assert {r.original_prompt for r in model.requests} == {model.requests[0].original_prompt}
    assert "left out" not in str(s.conversation.turns[0].items)


async def test_a_context_that_the_provider_finds_too_long_is_halved_and_asked_for_again():
    too_long = ProviderError("too long", code="context_too_long")
    outputs = [script(f"return {n}") for n in range(4)]
    model = ScriptedModel([*outputs, too_long, "fits"])
    s = stage(model, Ran(results={f"return {n}": "y" * 8000 for n in range(4)}))

    turn = await s.loop.run_turn("go")

    assert (turn.status, turn.text, turn.steps) == ("completed", "fits", 5)
    assert weight(model.requests[5].history) < 0.6 * weight(model.requests[4].history)
    assert [e.error["code"] for e in turn.events if isinstance(e, ErrorEvent)] == ["context_too_long"]


async def test_a_prompt_that_alone_is_too_long_is_one_clear_error_and_the_next_turn_works():
    model = ScriptedModel([ProviderError("too long", code="context_too_long"), "short enough"])
    s = stage(model)

    failed = await s.loop.run_turn("x" * 1000)
    fine = await s.loop.run_turn("y")

    assert (failed.status, failed.reason, failed.error["message"]) == ("failed", "context_too_long", "too long")
    assert fine.status == "completed"


def test_a_rewind_behind_a_compaction_finds_the_turns_whole():
    conversation = Conversation()
    for n in range(3):
        conversation.append(past(n))
    made, _ = compacted(conversation.sent, (), 3000)
    conversation.shorten(made)
    assert "left out" in str(conversation.history())

    dropped = conversation.rewind("t1")

    assert dropped == (past(1), past(2))
    assert conversation.turns == (past(0),)


def test_half_a_character_has_a_weight_too():
    assert weight((AssistantMessage(text="a\ud800"), FunctionCallOutputItem(call_id="c", output="\udfff"))) > 0
