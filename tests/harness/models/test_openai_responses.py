"""The OpenAI Responses adapter with the real SDK against a server that speaks the real protocol."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from tests.harness.models import openai_responses_streams as streams
from tests.harness.models.server import Answer, cut_into, provider

from toolscript.models.adapter import (
    AssistantMessage,
    Finished,
    FunctionCallDone,
    FunctionCallItem,
    FunctionCallOutputItem,
    FunctionTool,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    UsageReport,
    UserMessage,
)
from toolscript.models.openai_responses import OpenAIResponsesAdapter
from toolscript.models.settings import ProviderSettings, RetryPolicy

pytestmark = pytest.mark.anyio


def request(**fields) -> ModelRequest:
    base = {
        "model": "m",
        "instructions": "Be good.",
        "original_prompt": "<original-user-prompt>\nhi\n</original-user-prompt>",
    }
    return ModelRequest(**(base | fields))


def adapter(url: str, **fields) -> OpenAIResponsesAdapter:
    fields = {"retry": RetryPolicy(base=0.001)} | fields
    return OpenAIResponsesAdapter(
        ProviderSettings(base_url=url, api_key=SecretStr("sk-test"), key_name="KEY", **fields)
    )


async def collect(adapter, asked):
    events = [event async for event in adapter.stream(asked)]
    await adapter.aclose()
    return events


@pytest.mark.parametrize("size", [1, 3, 64, 1 << 20])
async def test_a_reply_comes_out_the_same_however_its_bytes_are_cut(size):
    body = streams.reply(
        streams.reasoning("I think…"),
        streams.message("Grüße <tool-calls>", 1, ["Grü", "ße ", "<tool", "-calls>"]),
        streams.call("read_file", '{"path": "ä"}', index=2),
    )
    async with provider(Answer(cut_into(body, size))) as served:
        events = await collect(adapter(served.url), request())

    text = [e for e in events if not isinstance(e, Finished)]
    assert text == [
        ReasoningDelta("I think…"), TextDelta("Grü"), TextDelta("ße "), TextDelta("<tool"), TextDelta("-calls>"),
        FunctionCallDone(call_id="call_1", name="read_file", arguments='{"path": "ä"}'),
        UsageReport(input_tokens=100, output_tokens=20, cached_tokens=64, reasoning_tokens=8),
    ]  # fmt: skip
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == "tool_calls"
    assert [item["type"] for item in finished.native[0]["items"]] == ["reasoning", "message", "function_call"]


async def test_the_request_is_exactly_this():
    native = (
        {
            "api": "openai-responses",
            "model": "m",
            "items": [
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
                {"type": "function_call", "call_id": "c1", "name": "read_file", "arguments": "{}"},
            ],
        },
    )
    history = (
        UserMessage(text="earlier", images=("data:image/png;base64,AA==",)),
        AssistantMessage(text="I read.", native=native),
        FunctionCallItem(call_id="c1", name="read_file", arguments="{}"),
        FunctionCallOutputItem(call_id="c1", output="text"),
        AssistantMessage(text="<tool-calls>…"),
        FunctionCallItem(call_id="t-1-1", name="run_script", arguments="{}", synthetic=True),
        FunctionCallOutputItem(call_id="t-1-1", output="status: completed", images=("data:image/png;base64,BB==",)),
    )
    tools = (FunctionTool(name="read_file", description="Reads.", parameters={"type": "object"}),)
    asked = request(history=history, tools=tools, max_output_tokens=500, settings={"reasoning": {"effort": "low"}})
    async with provider(Answer([streams.reply(streams.message("ok"))])) as served:
        await collect(adapter(served.url), asked)

    assert served.paths == ["/v1/responses"]
    assert served.headers[0]["authorization"] == "Bearer sk-test"
    assert served.requests[0] == {
        "model": "m",
        "instructions": "Be good.",
        "store": False,
        "stream": True,
        "prompt_cache_key": "8b979bed848ca68e88fc5f1840f9edb1",
        "parallel_tool_calls": True,
        "max_output_tokens": 500,
        "reasoning": {"effort": "low"},
        "tools": [
            {
                "type": "function",
                "name": "read_file",
                "description": "Reads.",
                "parameters": {"type": "object"},
                "strict": False,
            }
        ],
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "<original-user-prompt>\nhi\n</original-user-prompt>"},
                ],
            },
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "earlier"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
                ],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
            {"type": "function_call", "call_id": "c1", "name": "read_file", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "text"},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "<tool-calls>…"}],
            },
            {"type": "function_call", "call_id": "t-1-1", "name": "run_script", "arguments": "{}"},
            {
                "type": "function_call_output",
                "call_id": "t-1-1",
                "output": [
                    {"type": "input_text", "text": "status: completed"},
                    {"type": "input_image", "image_url": "data:image/png;base64,BB==", "detail": "auto"},
                ],
            },
        ],
    }
