"""Turns against aimock: another's implementation of the providers' protocols, with its faults switched on."""

from __future__ import annotations

import json
import re
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest
from tests.harness.agent.parts import Ran, script, stage
from tests.harness.models.wires import WIRES
from tests.oracles import aimock

from toolscript.agent.executor import ToolReply
from toolscript.events import ErrorEvent, MessageDelta
from toolscript.models.settings import RetryPolicy

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CALLS = [{"name": "read_file", "arguments": {"path": p}, "id": f"call_{p}"} for p in "ab"]


def said(*responses, **options):
    """Return fixtures: what is answered, one response a request, on each of the APIs alike."""
    return [
        {"match": {"model": wire.name, "sequenceIndex": n}, "response": response} | options
        for wire in WIRES
        for n, response in enumerate(responses)
    ]


@dataclass
class Server:
    url: str


@asynccontextmanager
async def serving(tmp_path, fixtures, *options):
    file = tmp_path / "fixtures.json"
    file.write_text(json.dumps({"fixtures": fixtures}))
    command = ["node", str(aimock()), "-p", "0", "-f", str(file), *options]
    async with await anyio.open_process(command, stderr=None) as process:
        try:
            with anyio.fail_after(30):
                yield Server(await listening(process.stdout))
        finally:
            process.kill()


async def listening(output):
    text = ""
    async for chunk in output:
        text += chunk.decode()
        if found := re.search(r"listening on (http://[\d.:]+)", text):
            return found.group(1) + "/v1"
    raise AssertionError(f"aimock ended: {text}")


@asynccontextmanager
async def on_stage(wire, server, executor=None, **fields):
    adapter = wire.adapter(server.url, **({"retry": RetryPolicy(base=0.001)} | fields))
    async with aclosing(adapter):
        yield stage(adapter, executor, model=wire.name)


@pytest.mark.parametrize("chunk", ["1", "7", "1000"])
async def test_scripts_calls_and_answers_come_through_alike(tmp_path, chunk):
    fixtures = said(
        {"content": "I look.\n" + script("return '<b>'") + "\nand wait.", "reasoning": "Hm."},
        {"content": "Now two calls.", "toolCalls": CALLS},
        {"content": "It is done. 🎈"},
    )
    async with serving(tmp_path, fixtures, "-c", chunk) as server:
        for wire in WIRES:
            executor = Ran(results={"return '<b>'": "B"}, replies={"read_file": ToolReply(text="content")})
            async with on_stage(wire, server, executor) as s:
                turn = await s.loop.run_turn("go")

            assert (turn.status, turn.text, turn.steps) == ("completed", "It is done. 🎈", 3), (wire, turn.error)
            assert executor.sources == ["return '<b>'"]
            assert [json.loads(arguments) for _, arguments in executor.calls] == [{"path": "a"}, {"path": "b"}]
            thoughts = [e.text for e in turn.events if isinstance(e, MessageDelta) and e.channel == "reasoning"]
            assert "".join(thoughts) == "Hm."


async def test_a_stream_cut_inside_a_script_runs_nothing_of_it(tmp_path):
    fixtures = [
        *said({"content": "x " + "\n" + script("return 1 + " * 200)}, truncateAfterChunks=30),
        *[f for f in said({"content": ""}, {"content": "second try"}) if f["match"]["sequenceIndex"] == 1],
    ]
    async with serving(tmp_path, fixtures, "-c", "10") as server:
        for wire in WIRES:
            async with on_stage(wire, server) as s:
                turn = await s.loop.run_turn("go")

            assert s.executor.sources == []
            assert (turn.status, turn.text) == ("completed", "second try"), (wire, turn.error)
            (cut,) = [e.error["code"] for e in turn.events if isinstance(e, ErrorEvent)]
            assert cut in ("provider_stream_cut", "provider_unreachable")


@pytest.mark.parametrize(
    ("option", "codes"),
    [
        ("--chaos-ratelimit", {"provider_rate_limit"}),
        ("--chaos-drop", {"provider_server"}),
        ("--chaos-disconnect", {"provider_unreachable", "provider_stream_cut"}),
        ("--chaos-malformed", {"provider_malformed", "provider_stream_cut"}),
    ],
)
async def test_a_server_in_chaos_ends_the_turn_with_one_typed_error(tmp_path, option, codes):
    async with serving(tmp_path, said({"content": "hello"}), option, "1") as server:
        for wire in WIRES:
            policy = RetryPolicy(attempts=2, base=0.001, patience=0.5)
            async with on_stage(wire, server, retry=policy) as s:
                turn = await s.loop.run_turn("go")

            assert turn.status == "failed"
            assert turn.reason in codes, (wire, turn.error)


async def test_a_turn_gets_through_a_server_that_fails_now_and_then(tmp_path):
    fixtures = [{"match": {"model": wire.name}, "response": {"content": "hello"}} for wire in WIRES]
    async with serving(tmp_path, fixtures, "--chaos-drop", "0.3") as server:
        for wire in WIRES:
            async with on_stage(wire, server, retry=RetryPolicy(attempts=40, base=0.0001)) as s:
                turns = [await s.loop.run_turn("go") for _ in range(5)]

            assert [t.status for t in turns] == ["completed"] * 5


async def test_an_error_body_of_the_provider_is_told(tmp_path):
    wrong = {"error": {"message": "Incorrect API key", "type": "authentication_error"}, "status": 401}
    async with serving(tmp_path, said(wrong)) as server:
        for wire in WIRES:
            async with on_stage(wire, server) as s:
                turn = await s.loop.run_turn("go")

            assert (turn.status, turn.reason) == ("failed", "provider_auth"), turn.error
