"""Breaches of one API's own protocol."""

from __future__ import annotations

import pytest
from tests.harness.models.asking import collect, request
from tests.harness.models.server import Answer, provider
from tests.harness.models.wires import Asked, Chat, Messages, Responses, Text

from toolscript.errors import ProviderError
from toolscript.models.adapter import AssistantMessage, FunctionCallDone, ReasoningDelta, TextDelta

pytestmark = pytest.mark.anyio


async def refused(wire, events):
    async with provider(*[Answer([wire.sse([*wire.head(), *events]) + wire.end("stop", calls=True)])] * 2) as served:
        with pytest.raises(ProviderError) as caught:
            await collect(wire.adapter(served.url))
    assert caught.value.code == "provider_malformed"
    return caught.value.message


def tool(index, **fields):
    return Chat().chunk({"tool_calls": [{"index": index} | fields]})


async def test_chat_pieces_of_a_second_call_before_the_first_are_refused():
    assert "out of order" in await refused(Chat(), [tool(1, id="b", function={"name": "x", "arguments": "{}"})])


async def test_chat_calls_that_servers_number_alike_are_told_apart_by_their_ids():
    wire = Chat()
    events = [
        tool(0, id="a", function={"name": "one", "arguments": "{}"}),
        tool(0, id="b", function={"name": "two", "arguments": "{}"}),
    ]
    async with provider(Answer([wire.sse([*wire.head(), *events]) + wire.end("stop", calls=True)])) as served:
        got = await collect(wire.adapter(served.url))

    assert [(c.call_id, c.name) for c in got if isinstance(c, FunctionCallDone)] == [("a", "one"), ("b", "two")]


async def test_chat_a_call_without_an_id_gets_one():
    wire = Chat()
    events = [tool(0, function={"name": "one", "arguments": "{}"})]
    async with provider(Answer([wire.sse([*wire.head(), *events]) + wire.end("stop", calls=True)])) as served:
        got = await collect(wire.adapter(served.url))

    assert [c.call_id for c in got if isinstance(c, FunctionCallDone)] == ["call-1"]


@pytest.mark.parametrize("size", [1, 2, 5, 100])
async def test_chat_thoughts_at_the_start_of_the_text_are_reasoning(size):
    text = "\n<think>\nI could <tool-calls>\n</think>\n\nHello <think>."
    wire = Chat()
    deltas = [text[i : i + size] for i in range(0, len(text), size)]
    async with provider(Answer([wire.reply(Text(*deltas))])) as served:
        events = await collect(wire.adapter(served.url))

    assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)) == "\nI could <tool-calls>\n"
    assert "".join(e.text for e in events if isinstance(e, TextDelta)).strip() == "Hello <think>."


async def test_chat_sends_a_script_back_as_a_message_and_ends_with_the_new_field_name_at_openai_alone():
    from toolscript.models.openai_chat_wire import body

    asked = request(max_output_tokens=5)
    assert body(asked, own_server=True)["max_completion_tokens"] == 5
    assert body(asked, own_server=False)["max_tokens"] == 5


async def test_messages_blocks_out_of_order_are_refused():
    start = {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}
    assert "out of order" in await refused(Messages(), [start])


async def test_messages_changes_of_unknown_and_of_finished_blocks_are_refused():
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}
    wire = Messages()

    assert "unknown content block" in await refused(wire, [delta])
    assert "finished content block" in await refused(wire, [*wire.part(Text("x"), 0), delta])


async def test_messages_a_block_of_the_future_is_kept_and_ignored(caplog):
    wire = Messages()
    future = {"type": "future_block", "payload": {"a": 1}}
    events = [*wire.head(), *wire.block(0, future, []), *wire.part(Text("hi"), 1)]
    async with provider(Answer([wire.sse(events) + wire.end("stop", calls=False)])) as served:
        got = await collect(wire.adapter(served.url))

    assert got[0] == TextDelta("hi")
    assert got[-1].native[0]["items"] == [future, {"type": "text", "text": "hi"}]
    assert "future_block" in caplog.text


async def test_responses_an_item_of_the_future_is_kept_and_ignored(caplog):
    wire = Responses()
    future = {"type": "future_item", "id": "x_1", "payload": {"a": 1}}
    done = {"type": "response.output_item.done", "output_index": 0, "sequence_number": 3, "item": future}
    strange = {"type": "response.future.delta", "delta": {"deep": [1]}, "sequence_number": 4}
    events = [*wire.head(), done, strange, *wire.part(Text("hi"), 1)]
    async with provider(Answer([wire.sse(events) + wire.end("stop", calls=False)])) as served:
        got = await collect(wire.adapter(served.url))

    assert got[0] == TextDelta("hi")
    assert [item["type"] for item in got[-1].native[0]["items"]] == ["future_item", "message"]
    assert "future_item" in caplog.text


async def test_responses_reasoning_that_is_not_encrypted_is_not_sent_back():
    wire = Responses()
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    done = {"type": "response.output_item.done", "output_index": 0, "sequence_number": 3, "item": item}
    events = [*wire.head(), done, *wire.part(Text("hi"), 1)]
    body = wire.sse(events) + wire.end("stop", calls=False)
    async with provider(Answer([body]), Answer([body])) as served:
        adapter = wire.adapter(served.url)
        got = [e async for e in adapter.stream(request())]
        history = (AssistantMessage(text="hi", native=got[-1].native),)
        await collect(adapter, request(history=history))

    assert "rs_1" not in str(served.requests[1])


@pytest.mark.parametrize("wire", [Responses(), Messages()], ids=repr)
async def test_a_second_block_of_text_begins_on_its_own_line(wire):
    async with provider(Answer([wire.reply(Text("one."), Text("<tool-calls>"))])) as served:
        events = await collect(wire.adapter(served.url))

    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "one.\n\n<tool-calls>"


@pytest.mark.parametrize("wire", [Responses(), Messages()], ids=repr)
async def test_a_call_without_an_id_is_refused(wire):
    async with provider(*[Answer([wire.reply(Text("x"), Asked("one", "{}", ""))])] * 2) as served:
        with pytest.raises(ProviderError) as caught:
            await collect(wire.adapter(served.url))

    assert caught.value.code == "provider_malformed"


@pytest.mark.parametrize("wire", [Responses(), Chat()], ids=repr)
async def test_a_reply_that_a_filter_ended_says_so(wire):
    async with provider(Answer([wire.reply(Text("x"), reason="content_filter")])) as served:
        events = await collect(wire.adapter(served.url))

    assert events[-1].reason == "content_filter"


@pytest.mark.parametrize(
    ("model", "settings", "asked"),
    [
        ("gpt-5.5", {}, True),
        ("gpt-5-mini", {}, True),
        ("gpt-12", {}, True),
        ("o4-mini", {}, True),
        ("codex-2", {}, True),
        ("gpt-5-chat-latest", {}, False),
        ("gpt-4.1", {}, False),
        ("ollama-x", {}, False),
        ("mine", {"reasoning": {"effort": "low"}}, True),
    ],
)
async def test_responses_encrypted_reasoning_is_asked_for_of_models_that_reason(model, settings, asked):
    async with provider(Answer([Responses().reply(Text("x"))])) as served:
        await collect(Responses().adapter(served.url), request(model=model, settings=settings))

    assert (served.requests[0].get("include") == ["reasoning.encrypted_content"]) is asked
