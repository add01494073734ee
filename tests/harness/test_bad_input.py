"""What goes wrong with a model is one clear message; the turn keeps what it did, and the next turn works."""

from __future__ import annotations

from contextlib import asynccontextmanager

import anyio
import pytest
from tests.harness.models.server import CUT, Answer, error
from tests.harness.models.wires import WIRES, Text
from tests.harness.talking import script, talking

from toolscript.errors import ConfigError
from toolscript.events import ErrorEvent
from toolscript.harness import Harness

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("wire", WIRES, ids=repr)]

LONG = "the prompt is too long: maximum context length is 8192 tokens"
REFUSALS = {
    "wrong-key": (401, "authentication_error", "no", "provider_auth", "does not accept the key"),
    "no-permission": (403, "permission_error", "no", "provider_permission", "may not do this"),
    "no-credit": (402, "billing_error", "no", "provider_quota", "no credit"),
    "unknown-model": (404, "not_found_error", "The model `m` does not exist", "unknown_model", "agent's model"),
    "too-long": (400, "invalid_request_error", LONG, "context_too_long", "no longer fits"),
    "too-large": (413, "request_too_large", "too large", "context_too_long", "no longer fits"),
    "bad-request": (400, "invalid_request_error", "temperature: out of range", "provider_bad_request", "temperature"),
    "overloaded": (529, "overloaded_error", "Overloaded", "provider_overloaded", "overloaded"),
    "broken": (500, "server_error", "oops", "provider_server", "the provider failed"),
    "slow-down": (429, "rate_limit_error", "slow", "provider_rate_limit", "slow down"),
}
WRITES = "await writeFile('a.txt', 'x'); return 'it is written'"


@pytest.mark.parametrize("refusal", [*REFUSALS])
async def test_a_refusal_in_the_middle_of_a_turn_loses_nothing_of_it(workplace, wire, refusal):
    status, kind, said, code, told = REFUSALS[refusal]
    refused = error(status, wire.error_body(kind, said))
    replies = ((Text("I write.\n"), script(WRITES)), refused, Text("fine"))
    async with talking(workplace, *replies, wire=wire, more="attempts = 1\n") as (harness, served):
        failed = await harness.turn("one")
        fine = await harness.turn("two")

    assert (failed.status, failed.reason) == ("failed", code), failed.error
    assert told in failed.error["message"]
    assert len([e for e in failed.events if isinstance(e, ErrorEvent)]) == 1
    assert failed.text == "I write."
    assert failed.runs[0].result == "it is written"
    assert (fine.status, fine.text) == ("completed", "fine"), fine.error
    assert "it is written" in str(served.requests[-1]), "the next turn knows what the failed one did"


async def test_a_connection_that_breaks_again_and_again_is_one_message(workplace, wire):
    cut = Answer([wire.begun(Text("half an ans")), CUT])
    async with talking(workplace, script(WRITES), cut, cut, Text("fine"), wire=wire) as (harness, _):
        failed = await harness.turn("one")
        fine = await harness.turn("two")

    assert (failed.status, failed.reason) == ("failed", "provider_stream_cut")
    assert failed.runs[0].result == "it is written"
    told = [e.error for e in failed.events if isinstance(e, ErrorEvent)]
    assert ["retry_in" in e for e in told] == [True, False], "one note of the new start, one message at the end"
    assert (fine.status, fine.text) == ("completed", "fine")


async def test_a_refused_connection_names_the_address(workplace, wire):
    async with talking(workplace, wire=wire, more="attempts = 1\n") as (_, served):
        pass
    async with Harness(workplace / "work", agent="live") as harness:
        turns = [await harness.turn("go") for _ in range(2)]

    assert [(t.status, t.reason) for t in turns] == [("failed", "provider_unreachable")] * 2
    assert served.url.removesuffix("/v1") in turns[0].error["message"]


@pytest.mark.parametrize("base", ["http://no-such-host.invalid/v1", "https://{plain}/v1"], ids=["name", "certificate"])
async def test_an_address_that_leads_nowhere_is_named_without_the_key(workplace, wire, base, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-canary-4711")
    async with speaking_plainly() as plain:
        url = base.format(plain=plain)
        text = f'[agents.live]\nprovider = "{wire.name}"\nmodel = "m"\nbase_url = "{url}"\napi_key_env = "MY_KEY"\n'
        (workplace / "config" / "toolscript" / "toolscript.toml").write_text(text + "attempts = 1\n")
        async with Harness(workplace / "work", agent="live") as harness:
            turn = await harness.turn("go")

    assert (turn.status, turn.reason) == ("failed", "provider_unreachable"), turn.error
    assert url in turn.error["message"]
    assert "canary" not in str(turn)


@asynccontextmanager
async def speaking_plainly():
    """Serve no TLS, and say so at once."""

    async def answer(stream):
        async with stream:
            await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        yield "{}:{}".format(*listener.extra(anyio.abc.SocketAttribute.local_address))
        group.cancel_scope.cancel()


async def test_without_a_key_the_message_names_the_variable(workplace, wire, monkeypatch):
    name = wire.kind.key_name
    monkeypatch.delenv(name, raising=False)
    text = f'[agents.keyless]\nprovider = "{wire.name}"\nmodel = "m"\napi_key_env = "{name}"\n'
    (workplace / "config" / "toolscript" / "toolscript.toml").write_text(text)
    async with Harness(workplace / "work", agent="keyless") as harness:
        turn = await harness.turn("go")
        after = await harness.turn("How many files are here?", agent="recorded")

    assert (turn.status, turn.reason) == ("failed", "no_key")
    assert name in turn.error["message"]
    assert after.reason == "no_recording", "the harness goes on with another agent"


async def test_no_such_agent_names_those_that_there_are_and_changes_nothing(workplace, wire):
    async with talking(workplace, Text("fine"), wire=wire) as (harness, _):
        with pytest.raises(ConfigError, match=r"no agent 'lvie'; did you mean live\?.*recorded"):
            await harness.turn("go", agent="lvie")
        assert harness.conversation.turns == ()
        turn = await harness.turn("go")

    assert (turn.status, turn.text) == ("completed", "fine")
