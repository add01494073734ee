"""Code that a provider runs for its model: its calls are served here, on the same road as any other."""

from __future__ import annotations

import json

import pytest
from tests.harness.models.server import Answer
from tests.harness.models.wires import Messages, Responses, Text
from tests.harness.talking import talking

from toolscript.agent.configuration import load
from toolscript.errors import ConfigError
from toolscript.events import FunctionCall, MessageDelta, OperationFinished
from toolscript.journal.reader import records
from toolscript.journal.records import RunRecord

pytestmark = pytest.mark.anyio

HOSTED = "hosted = true\n"
CODE = "return (await read_file({path: 'a.txt'})).length"
PROGRAM = {"id": "prog_1", "type": "program", "call_id": "p1", "code": CODE, "fingerprint": "f00"}
CALLED = {
    "id": "fc_1", "type": "function_call", "call_id": "c1", "name": "read_file", "arguments": '{"path": "a.txt"}',
    "caller": {"type": "program", "caller_id": "p1"}, "status": "completed",
}  # fmt: skip
CALLER = {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}


def done(index, item):
    return {"type": "response.output_item.done", "output_index": index, "sequence_number": 3, "item": item}


def of_responses():
    wire = Responses()
    asks = wire.sse([*wire.head(), done(0, PROGRAM), done(1, CALLED)]) + wire.end("stop", calls=True)
    output = {"id": "po_1", "type": "program_output", "call_id": "p1", "result": "3", "status": "completed"}
    answers = wire.sse([*wire.head(), done(0, output), *wire.part(Text("Three."), 1)]) + wire.end("stop", calls=False)
    return wire, Answer([asks]), Answer([answers])


def of_messages():
    wire = Messages()
    halves = [
        {"type": "input_json_delta", "partial_json": p}
        for p in (json.dumps({"code": CODE})[:9], json.dumps({"code": CODE})[9:])
    ]
    code = wire.block(0, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}}, halves)
    use = {"type": "tool_use", "id": "c1", "name": "read_file", "input": {}, "caller": CALLER}
    call = wire.block(1, use, [{"type": "input_json_delta", "partial_json": '{"path": "a.txt"}'}])
    container = {"id": "container_1", "expires_at": "2030-01-01T00:00:00Z"}
    delta = {"stop_reason": "tool_use", "stop_sequence": None, "container": container}
    end = [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}}, {"type": "message_stop"}]
    result = {"type": "code_execution_result", "stdout": "3", "stderr": "", "return_code": 0, "content": []}
    ran = wire.block(0, {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": result}, [])
    answers = wire.sse([*wire.head(), *ran, *wire.part(Text("Three."), 1)]) + wire.end("stop", calls=False)
    return wire, Answer([wire.sse([*wire.head(), *code, *call, *end])]), Answer([answers])


@pytest.mark.parametrize("made", [of_responses, of_messages])
async def test_the_calls_of_hosted_code_are_served_told_and_written_down(workplace, made):
    wire, asks, answers = made()
    (workplace / "work" / "a.txt").write_text("one")
    async with talking(workplace, asks, answers, Text("Still three."), wire=wire, more=HOSTED) as (harness, served):
        turn = await harness.turn("How long is a.txt?")
        after = await harness.turn("Sure?")
        runs = [next(records(p)) for p in (harness.state / "runs").glob("*.jsonl")]

    assert (turn.status, turn.text, turn.steps) == ("completed", "Three.", 2), turn.error
    assert (after.status, after.text) == ("completed", "Still three."), after.error
    assert [e.name for e in turn.events if isinstance(e, FunctionCall)] == ["read_file"]
    assert [e.tool for e in turn.events if isinstance(e, OperationFinished)] == ["readFile"]
    thoughts = "".join(e.text for e in turn.events if isinstance(e, MessageDelta) and e.channel == "reasoning")
    assert CODE in thoughts, "what the provider ran is shown"
    assert [(r.origin, r.turn_id, r.step) for r in runs if isinstance(r, RunRecord)] == [("call", turn.turn_id, 1)]
    assert "tool-calls" not in str(served.requests[0]), "scripts of our own are not offered beside it"


async def test_messages_goes_on_when_the_provider_pauses_its_own_work(workplace):
    wire = Messages()
    work = wire.block(0, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}}, [
        {"type": "input_json_delta", "partial_json": json.dumps({"code": "print(3)"})}
    ])  # fmt: skip
    delta = {"stop_reason": "pause_turn", "stop_sequence": None, "container": None}
    end = [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}}, {"type": "message_stop"}]
    paused = Answer([wire.sse([*wire.head(), *work, *end])])
    async with talking(workplace, paused, Text("Three."), wire=wire, more=HOSTED) as (harness, served):
        turn = await harness.turn("How long is a.txt?")

    assert (turn.status, turn.text, turn.steps) == ("completed", "Three.", 2), turn.error
    assert served.requests[1]["messages"][-1] == {
        "role": "assistant",
        "content": [
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {"code": "print(3)"}}
        ],
    }, "what it said goes back unchanged, and nothing after it"


async def test_responses_sends_programs_and_their_callers_back_as_they_came(workplace):
    wire, asks, answers = of_responses()
    (workplace / "work" / "a.txt").write_text("one")
    async with talking(workplace, asks, answers, wire=wire, more=HOSTED) as (harness, served):
        await harness.turn("How long is a.txt?")

    first, second = served.requests
    assert first["tools"][-1] == {"type": "programmatic_tool_calling"}
    assert all(tool["allowed_callers"] == ["direct", "programmatic"] for tool in first["tools"][:-1])
    program, call, output = second["input"][-3:]
    assert program == PROGRAM
    assert call == {k: v for k, v in CALLED.items() if k != "id"}
    assert output == {
        "type": "function_call_output",
        "call_id": "c1",
        "output": output["output"],
        "caller": CALLED["caller"],
    }
    assert "one" in output["output"]


async def test_messages_goes_on_in_the_same_container_with_nothing_but_results(workplace):
    wire, asks, answers = of_messages()
    (workplace / "work" / "a.txt").write_text("one")
    async with talking(workplace, asks, answers, wire=wire, more=HOSTED) as (harness, served):
        await harness.turn("How long is a.txt?")

    first, second = served.requests
    assert first["tools"][0] == {"type": "code_execution_20260120", "name": "code_execution"}
    assert all(tool["allowed_callers"] == ["direct", "code_execution_20260120"] for tool in first["tools"][1:])
    assert "container" not in first
    assert second["container"] == "container_1"
    said, results = second["messages"][-2:]
    assert [(b["type"], b["input"]) for b in said["content"]] == [
        ("server_tool_use", {"code": CODE}), ("tool_use", {"path": "a.txt"}),
    ]  # fmt: skip
    assert said["content"][1]["caller"] == CALLER
    assert [b["type"] for b in results["content"]] == ["tool_result"]


def test_a_provider_that_runs_no_code_is_told_with_its_line(workplace):
    file = workplace / "config" / "toolscript" / "toolscript.toml"
    file.write_text('[agents.x]\nprovider = "openai-chat"\nmodel = "m"\nhosted = true\n')

    with pytest.raises(ConfigError, match=rf"{file}:4: agents.x.hosted: only openai-responses and anthropic-messages"):
        load()
