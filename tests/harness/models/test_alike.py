"""The three wire APIs, each with its real SDK against a server that speaks its real protocol, behave alike."""

from __future__ import annotations

import pytest
from tests.harness.models.asking import collect, request
from tests.harness.models.server import Answer, cut_into, provider
from tests.harness.models.wires import WIRES, Asked, Refusal, Text, Thought

from toolscript.models.adapter import (
    AssistantMessage,
    Finished,
    FunctionCallDone,
    FunctionCallItem,
    FunctionCallOutputItem,
    FunctionTool,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    UsageReport,
)

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("wire", WIRES, ids=repr)]

REPLY = (Thought("I think…"), Text("Grü", "ße 🎈 ", "<tool", "-calls>"), Asked("read_file", '{"path": "ä"}'))


@pytest.mark.parametrize("size", [1, 3, 64, 1 << 20])
async def test_a_reply_comes_out_the_same_however_its_bytes_are_cut(wire, size):
    async with provider(Answer(cut_into(wire.reply(*REPLY), size))) as served:
        *events, finished = await collect(wire.adapter(served.url))

    assert served.paths == [wire.path]
    assert events == [
        ReasoningDelta("I think…"), TextDelta("Grü"), TextDelta("ße 🎈 "), TextDelta("<tool"), TextDelta("-calls>"),
        FunctionCallDone(call_id="call_1", name="read_file", arguments='{"path": "ä"}'),
        UsageReport(input_tokens=100, output_tokens=20, cached_tokens=64, reasoning_tokens=8),
    ]  # fmt: skip
    assert isinstance(finished, Finished)
    assert finished.reason == "tool_calls"


async def test_parallel_calls_come_out_in_their_order(wire):
    body = wire.reply(Asked("one", '{"a": 1}', "c1"), Asked("two", "{}", "c2"), Asked("one", '{"a": 2}', "c3"))
    async with provider(Answer([body])) as served:
        events = await collect(wire.adapter(served.url))

    calls = [e for e in events if isinstance(e, FunctionCallDone)]
    assert [(c.call_id, c.name, c.arguments) for c in calls] == [
        ("c1", "one", '{"a": 1}'), ("c2", "two", "{}"), ("c3", "one", '{"a": 2}'),
    ]  # fmt: skip


@pytest.mark.parametrize("reason", ["stop", "length"])
async def test_why_a_reply_ended_is_told_in_one_vocabulary(wire, reason):
    async with provider(Answer([wire.reply(Text("x"), reason=reason)])) as served:
        events = await collect(wire.adapter(served.url))

    assert events[-1].reason == reason


async def test_a_refusal_is_told_apart(wire):
    reason = "refusal" if wire.name == "anthropic-messages" else "stop"
    async with provider(Answer([wire.reply(Refusal("I cannot."), reason=reason)])) as served:
        events = await collect(wire.adapter(served.url))

    said = TextDelta("I cannot.") if wire.name == "anthropic-messages" else RefusalDelta("I cannot.")
    assert events[0] == said
    assert events[-1].reason == "refusal"


async def test_what_the_api_wants_back_comes_back_with_the_next_request(wire):
    tools = (FunctionTool(name="read_file", description="Reads.", parameters={"type": "object"}),)
    async with provider(Answer([wire.reply(*REPLY)]), Answer([wire.reply(Text("ok"))])) as served:
        adapter = wire.adapter(served.url)
        events = [e async for e in adapter.stream(request(tools=tools))]
        history = (
            AssistantMessage(text="Grüße 🎈 <tool-calls>", native=events[-1].native),
            FunctionCallItem(call_id="call_1", name="read_file", arguments='{"path": "ä"}'),
            FunctionCallOutputItem(call_id="call_1", output="text"),
        )
        await collect(adapter, request(history=history, tools=tools))

    sent = str(served.requests[1])
    assert sent.count("call_1") == 2
    assert sent.count("Grüße") == 1
    back = {"openai-responses": "gAAAA", "openai-chat": "I think…", "anthropic-messages": "'signature': 'sig'"}
    assert back[wire.name] in sent
    assert back[wire.name] not in str(served.requests[0])


async def test_another_model_gets_the_text_and_nothing_native(wire):
    native = ({"api": wire.name, "model": "other", "items": [{"type": "reasoning", "encrypted_content": "gAAAA"}]},)
    history = (AssistantMessage(text="Hello.", native=native),)
    async with provider(Answer([wire.reply(Text("ok"))])) as served:
        await collect(wire.adapter(served.url), request(history=history))

    assert "gAAAA" not in str(served.requests)
    assert "Hello." in str(served.requests)


async def test_the_same_request_is_the_same_bytes_up_to_what_was_added(wire):
    from tests.harness.models.wires import as_text

    first = request(history=(AssistantMessage(text="one"),))
    async with provider(*[Answer([wire.reply(Text("ok"))])] * 2) as served:
        await collect(wire.adapter(served.url), first)
        await collect(wire.adapter(served.url), first)

    assert as_text(served.requests[0]) == as_text(served.requests[1])


async def test_halves_of_characters_in_neighbouring_pieces_are_put_together(wire):
    body = wire.reply(Text("a\ud83c", "\udf88b", "\ud83c", "c\udf88"), Asked("read_file", '{"path": "\ud83c\udf88"}'))
    async with provider(Answer([body])) as served:
        events = await collect(wire.adapter(served.url))

    text = "".join(e.text for e in events if isinstance(e, TextDelta))
    assert text == "a🎈b\ufffdc\ufffd"
    assert next(e.arguments for e in events if isinstance(e, FunctionCallDone)) == '{"path": "🎈"}'
    for event in events:
        repr(event).encode()


async def test_a_connection_serves_the_next_step_too(wire):
    kept = Answer([wire.reply(Text("ok"))], headers={"Connection": "keep-alive"})
    async with provider(kept, kept, Answer([wire.reply(Text("ok"))])) as served:
        adapter = wire.adapter(served.url)
        for _ in range(3):
            assert TextDelta("ok") in [e async for e in adapter.stream(request())]
        await adapter.aclose()

    assert (len(served.requests), served.connections) == (3, 1)
