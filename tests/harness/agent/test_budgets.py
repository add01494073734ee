"""When a turn is stopped: steps, tokens, time, and failures that repeat themselves."""

from __future__ import annotations

import anyio
import pytest
from tests.harness.agent.parts import Ran, script, stage

from toolscript.events import ApprovalRequested, ApprovalResolved
from toolscript.models.adapter import Finished, TextDelta, UsageReport
from toolscript.testing.scripted import ScriptedModel

pytestmark = pytest.mark.anyio


async def test_max_steps_stops_the_turn_and_keeps_what_it_did():
    s = stage(ScriptedModel([script(f"return {n}") for n in range(9)]), max_steps=3)

    turn = await s.loop.run_turn("go")

    assert (turn.status, turn.reason, turn.steps, len(turn.runs)) == ("stopped", "max_steps", 3, 3)


async def test_the_same_script_failing_three_times_stops_the_turn():
    s = stage(ScriptedModel([script("throw 1")] * 9), Ran(results={"throw 1": ValueError("boom")}))

    turn = await s.loop.run_turn("go")

    assert (turn.status, turn.reason, turn.steps) == ("stopped", "repeated_failure", 3)


async def test_replies_without_a_sound_script_do_not_go_on_for_ever():
    s = stage(ScriptedModel(["<tool-calls>\nx"] * 9))

    turn = await s.loop.run_turn("go")

    assert (turn.status, turn.reason, turn.steps) == ("stopped", "repeated_failure", 3)


async def test_the_token_budget_stops_before_the_next_step():
    reply = [TextDelta(script("return 1")), UsageReport(input_tokens=900, output_tokens=200), Finished(reason="stop")]
    s = stage(ScriptedModel([reply] * 3), max_tokens=1000)

    turn = await s.loop.run_turn("go")

    assert (turn.status, turn.reason, turn.steps) == ("stopped", "max_tokens", 1)
    assert turn.usage == UsageReport(input_tokens=900, output_tokens=200)


async def test_a_silent_model_is_left_when_the_time_budget_is_spent():
    class Silent(ScriptedModel):
        async def _play(self, step):
            try:
                yield TextDelta("one moment ")
                await anyio.sleep_forever()
            finally:
                self.closed += 1

    model = Silent(["x"])
    s = stage(model, max_seconds=0.05)

    turn = await s.loop.run_turn("go")

    assert (turn.status, turn.reason, turn.text) == ("stopped", "max_seconds", "one moment")
    assert model.closed == 1


async def test_a_script_is_stopped_when_the_time_budget_is_spent_and_the_next_turn_works():
    stopped = anyio.Event()

    async def endless():
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()

    s = stage(ScriptedModel([script("return 1"), "fine"]), Ran(results={"return 1": endless}), max_seconds=0.05)

    turn = await s.loop.run_turn("go")
    after = await s.loop.run_turn("and now?")

    assert (turn.status, turn.reason, turn.steps) == ("stopped", "max_seconds", 1)
    assert stopped.is_set()
    assert "status: aborted" in str(s.conversation.turns[0].items)
    assert (after.status, after.text) == ("completed", "fine")


async def test_while_a_person_is_asked_the_time_budget_stands_still():
    s = stage(ScriptedModel([script("return 1"), "fine"]), Ran(), max_seconds=0.2)

    async def asking():
        ids = {"approval_id": "a", "operation": 1}
        emitter = s.loop._emitter.scoped(turn_id=s.events[0].turn_id)
        emitter.emit(ApprovalRequested, request={}, **ids)
        await anyio.sleep(0.4)  # twice the budget: the wait itself is the subject
        emitter.emit(ApprovalResolved, decision="allow", by="me", **ids)
        return 1

    s.executor.results["return 1"] = asking

    turn = await s.loop.run_turn("go")

    assert (turn.status, turn.text) == ("completed", "fine")
