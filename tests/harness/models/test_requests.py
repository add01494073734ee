"""The exact request of each API for one conversation that has everything in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.harness.models.asking import collect, request
from tests.harness.models.server import Answer, provider
from tests.harness.models.wires import KEY, WIRES, Text

from toolscript.models.adapter import (
    AssistantMessage,
    FunctionCallItem,
    FunctionCallOutputItem,
    FunctionTool,
    UserMessage,
)

pytestmark = pytest.mark.anyio
GOLDEN = Path(__file__).parent / "golden"

NATIVE = {
    "openai-responses": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I read."}]},
        {"type": "function_call", "call_id": "c1", "name": "read_file", "arguments": "{}"},
    ],
    "openai-chat": [{"reasoning_content": "hm"}],
    "anthropic-messages": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "I read."},
        {"type": "tool_use", "id": "c1", "name": "read_file", "input": {}},
    ],
}
PNG = "data:image/png;base64,AA=="


def everything(wire):
    native = ({"api": wire.name, "model": "m", "items": NATIVE[wire.name]},)
    return request(
        history=(
            UserMessage(text="earlier", images=(PNG,)),
            AssistantMessage(text="I read.", native=native),
            FunctionCallItem(call_id="c1", name="read_file", arguments="{}"),
            FunctionCallItem(call_id="c2", name="list_dir", arguments='{"path": "src"}'),
            FunctionCallOutputItem(call_id="c1", output="text", images=(PNG,)),
            FunctionCallOutputItem(call_id="c2", output="not there", is_error=True),
            AssistantMessage(text="<tool-calls>\nreturn 1\n</tool-calls>"),
            FunctionCallItem(call_id="turn-1-1", name="run_script", arguments='{"script_hash": "ab"}', synthetic=True),
            FunctionCallOutputItem(call_id="turn-1-1", output="status: completed\nresult: 1"),
            UserMessage(text="go on"),
        ),
        tools=(FunctionTool(name="read_file", description="Reads.", parameters={"type": "object"}),),
        max_output_tokens=500,
        settings={"temperature": 0},
    )


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_the_request_is_exactly_the_golden_one(wire):
    async with provider(Answer([wire.reply(Text("ok"))])) as served:
        await collect(wire.adapter(served.url), everything(wire))

    golden = (GOLDEN / f"{wire.name}.json").read_text()
    assert json.dumps(served.requests[0], indent=1, ensure_ascii=False) + "\n" == golden


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_the_key_goes_into_its_header_and_nowhere_else(wire, monkeypatch):
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(name, "canary-of-another-account")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-not-for-this-server")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary-not-for-this-server")
    async with provider(Answer([wire.reply(Text("ok"))])) as served:
        await collect(wire.adapter(served.url), everything(wire))

    headers = str(served.headers[0])
    assert headers.count(KEY) == 1
    assert "canary-of-another-account" not in headers
    assert "not-for-this-server" not in headers
    assert KEY not in str(served.requests[0])


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_a_server_without_a_key_is_sent_none_of_the_environments(wire, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-not-for-this-server")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary-not-for-this-server")
    async with provider(Answer([wire.reply(Text("ok"))])) as served:
        await collect(wire.adapter(served.url, key=""))

    assert "canary" not in str(served.headers)
