"""The same turn on all three wire APIs and in replay: the same events, the same history, the same end."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest
from tests.harness.agent.parts import Ran, script, stage
from tests.harness.models.server import CUT, SILENCE, Answer, cut_into, error, provider
from tests.harness.models.wires import WIRES, Asked, Text, Thought

from toolscript.agent.executor import ToolReply
from toolscript.events import ErrorEvent, MessageDelta, TurnFinished
from toolscript.models.recorded import RecordedAdapter
from toolscript.models.settings import RetryPolicy

pytestmark = pytest.mark.anyio

STEPS = (
    (
        Thought("Let me see."),
        Text("I look.\n\n<tool-", "calls>\nreturn 1\n</tool-calls>\n\nand\n" + script("return 2")),
    ),
    (Text("One more thing."), Asked("read_file", '{"path": "a"}', "c1"), Asked("read_file", '{"path": "b"}', "c2")),
    (Text("It is ", "done."),),
)


@dataclass
class Replay:
    name = "recorded"

    def __repr__(self):
        return self.name


@asynccontextmanager
async def speaking(wire, size):
    """Give an adapter that plays the steps."""
    if isinstance(wire, Replay):
        adapter = RecordedAdapter()
        adapter.add({"recordings": [{"prompt": "go", "steps": [recorded(step, size) for step in STEPS]}]})
        yield adapter
        return
    async with provider(*[Answer(cut_into(wire.reply(*step), size)) for step in STEPS]) as served:
        adapter = wire.adapter(served.url)
        yield adapter
        await adapter.aclose()


def recorded(step, size):
    calls = [{"name": p.name, "arguments": json.loads(p.arguments)} for p in step if isinstance(p, Asked)]
    return {
        "text": "".join(d for p in step if isinstance(p, Text) for d in p.deltas),
        "reasoning": "".join(p.text for p in step if isinstance(p, Thought)),
        "calls": calls,
        "chunk": size,
        "usage": {"input_tokens": 100, "output_tokens": 20, "cached_tokens": 64, "reasoning_tokens": 8},
    }


def told(event):
    """Return what an event says apart from ids and times, neighbouring pieces of text put together."""
    left_out = {"seq", "time", "turn_id", "call_id", "run_id", "script_hash"}
    data = event.model_dump(mode="json", exclude=left_out)
    return data | {"arguments": data["arguments"].replace(" ", "")} if "arguments" in data else data


def joined(events):
    made = []
    for event in events:
        if isinstance(event, MessageDelta) and made and isinstance(made[-1], MessageDelta):
            last = made[-1]
            if (last.channel, last.step) == (event.channel, event.step):
                made[-1] = last.model_copy(update={"text": last.text + event.text})
                continue
        made.append(event)
    return made


def by_kind(events):
    """Return the events of each kind in order: how text and running scripts interleave is a matter of time."""
    kinds = {}
    for event in joined(sorted(events, key=lambda e: (e.step or 0, isinstance(e, MessageDelta)))):
        kinds.setdefault(event.type, []).append(told(event))
    return kinds


@pytest.mark.parametrize("size", [3, 1 << 20])
async def test_the_same_turn_gives_the_same_events(size):
    seen = {}
    for wire in (*WIRES, Replay()):
        executor = Ran(
            results={"return 1": {"a": 1}, "return 2": {"b": 2}}, replies={"read_file": ToolReply(text="content")}
        )
        async with speaking(wire, size) as adapter:
            s = stage(adapter, executor)
            turn = await s.loop.run_turn("go")
        assert (turn.status, turn.text, turn.steps) == ("completed", "It is done.", 3)
        assert executor.sources == ["return 1", "return 2"]
        items = [type(i).__name__ for i in s.conversation.turns[0].items]
        seen[wire.name] = (by_kind(turn.events), items, turn.usage)

    first = seen["openai-responses"]
    for name, other in seen.items():
        assert other == first, name


@pytest.mark.parametrize("wire", WIRES, ids=repr)
class TestFaults:
    async def test_a_reply_cut_in_a_script_never_runs_half_of_it(self, wire):
        half = Answer([wire.begun(Text("<tool-calls>\nawait tools.exec({command: ['rm']})\n")), CUT])
        async with provider(half, Answer([wire.reply(Text("never mind"))])) as served:
            s = stage(wire.adapter(served.url))
            turn = await s.loop.run_turn("go")

        assert s.executor.sources == []
        assert (turn.status, turn.text) == ("completed", "never mind")

    async def test_a_reply_cut_after_a_script_goes_on_from_its_output_without_repeating_it(self, wire):
        cut = Answer([wire.begun(Text(script("return 1") + "\n", "<tool-calls>\nhalf_written")), CUT])
        async with provider(cut, Answer([wire.reply(Text("it gave 1"))])) as served:
            s = stage(wire.adapter(served.url), Ran(results={"return 1": "the one output"}))
            turn = await s.loop.run_turn("go")

        assert s.executor.sources == ["return 1"]
        assert turn.text == "it gave 1"
        assert len(served.requests) == 2
        assert "the one output" in str(served.requests[1])
        assert "half_written" not in str(served.requests[1])

    async def test_cancelling_the_turn_closes_the_connection_while_a_script_runs(self, wire):
        running = anyio.Event()

        async def for_ever():
            running.set()
            await anyio.sleep_forever()

        async with provider(Answer([wire.begun(Text(script("return 1") + "\n")), SILENCE])) as served:
            s = stage(wire.adapter(served.url), Ran(results={"return 1": for_ever}))
            async with anyio.create_task_group() as group:
                group.start_soon(s.loop.run_turn, "go")
                with anyio.fail_after(10):
                    await running.wait()
                group.cancel_scope.cancel()
            with anyio.fail_after(5):
                await served.gone.wait()

        assert [e.status for e in s.events if isinstance(e, TurnFinished)] == ["aborted"]

    async def test_after_a_wrong_key_the_next_turn_works(self, wire):
        wrong = error(401, wire.error_body("authentication_error", "wrong key"))
        async with provider(wrong, Answer([wire.reply(Text("hello"))])) as served:
            s = stage(wire.adapter(served.url))
            failed = await s.loop.run_turn("one")
            fine = await s.loop.run_turn("two")

        assert (failed.status, failed.reason) == ("failed", "provider_auth")
        assert "THE_KEY" in failed.error["message"]
        assert (fine.status, fine.text) == ("completed", "hello")

    async def test_waiting_for_a_rate_limit_is_told_while_it_lasts(self, wire):
        limited = error(429, wire.error_body("rate_limit_error", "slow down"), Retry_After="0.01")
        async with provider(limited, Answer([wire.reply(Text("hello"))])) as served:
            s = stage(wire.adapter(served.url, retry=RetryPolicy()))
            turn = await s.loop.run_turn("go")

        told = [e.error for e in turn.events if isinstance(e, ErrorEvent)]
        assert [(e["code"], e["retry_in"]) for e in told] == [("provider_rate_limit", 0.01)]
        assert turn.text == "hello"

    async def test_calls_with_unclosed_arguments_run_nothing(self, wire):
        body = wire.reply(Text("x"), Asked("read_file", '{"path": '))
        async with provider(Answer([body]), Answer([wire.reply(Text("ok"))])) as served:
            s = stage(wire.adapter(served.url))
            turn = await s.loop.run_turn("go")

        assert s.executor.calls == []
        assert turn.status == "completed"
        assert "not a JSON object" in str(served.requests[1])

    async def test_a_script_in_reasoning_is_not_run(self, wire):
        async with provider(Answer([wire.reply(Thought(script("return 1")), Text("no"))])) as served:
            s = stage(wire.adapter(served.url))
            await s.loop.run_turn("go")

        assert s.executor.sources == []


async def test_a_script_in_a_refusal_is_not_run():
    from tests.harness.models.wires import Refusal

    for wire in WIRES[:2]:
        async with provider(Answer([wire.reply(Refusal("I will not. " + script("return 1")))])) as served:
            s = stage(wire.adapter(served.url))
            turn = await s.loop.run_turn("go")

        assert s.executor.sources == []
        assert (turn.status, turn.reason) == ("completed", "refusal")
        assert turn.text.startswith("I will not.")
