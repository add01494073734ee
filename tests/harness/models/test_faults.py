"""Providers that fail in every way they know: each wire API ends in whole events or one typed error."""

from __future__ import annotations

import gzip

import anyio
import pytest
from tests.harness.models.asking import collect, request
from tests.harness.models.server import CUT, SILENCE, Answer, error, provider
from tests.harness.models.wires import KEY, WIRES, Asked, Text

from toolscript.errors import ProviderError
from toolscript.models.adapter import Finished, FunctionCallDone, Restarting, TextDelta
from toolscript.models.settings import RetryPolicy

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("wire", WIRES, ids=repr)]

ONCE = RetryPolicy(attempts=1)


def fine(wire):
    return Answer([wire.reply(Text("fine"))])


async def failing(adapter):
    with pytest.raises(ProviderError) as caught:
        await collect(adapter)
    return caught.value


async def test_a_rate_limit_is_waited_for_as_long_as_it_says(wire):
    limited = error(429, wire.error_body("rate_limit_error", "slow down"), Retry_After="0.01")
    async with provider(limited, fine(wire)) as served:
        events = await collect(wire.adapter(served.url))

    assert isinstance(events[0], Restarting)
    assert events[0].seconds == 0.01
    assert events[0].error["code"] == "provider_rate_limit"
    assert events[1] == TextDelta("fine")


async def test_a_rate_limit_without_a_time_is_waited_for_with_jitter(wire):
    limited = error(429, wire.error_body("rate_limit_error", "slow down"))
    async with provider(limited, limited, fine(wire)) as served:
        events = await collect(wire.adapter(served.url, retry=RetryPolicy(base=0.001)))

    waits = [e.seconds for e in events if isinstance(e, Restarting)]
    assert 0.0005 <= waits[0] <= 0.001 <= waits[1] <= 0.002


async def test_a_rate_limit_beyond_patience_is_an_error_at_once(wire):
    limited = error(429, wire.error_body("rate_limit_error", "slow down"), Retry_After="99999")
    async with provider(limited) as served:
        failed = await failing(wire.adapter(served.url))

    assert failed.code == "provider_rate_limit"
    assert failed.details == {"status": 429, "retry_after": 99999.0}
    assert len(served.requests) == 1


async def test_waiting_for_a_rate_limit_can_be_cancelled(wire):
    limited = error(429, wire.error_body("rate_limit_error", "slow down"), Retry_After="60")
    async with provider(limited) as served:
        adapter = wire.adapter(served.url)
        with anyio.CancelScope() as scope:
            async for event in adapter.stream(request()):
                assert isinstance(event, Restarting)
                scope.cancel()
        await adapter.aclose()

    assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("status", "kind", "code", "attempts"),
    [
        (401, "authentication_error", "provider_auth", 1),
        (403, "permission_error", "provider_permission", 1),
        (404, "model_not_found", "unknown_model", 1),
        (400, "invalid_request_error", "provider_bad_request", 1),
        (400, "context_length_exceeded", "context_too_long", 1),
        (413, "request_too_large", "context_too_long", 1),
        (429, "insufficient_quota", "provider_quota", 1),
        (500, "server_error", "provider_server", 2),
        (503, "overloaded_error", "provider_overloaded", 2),
        (529, "overloaded_error", "provider_overloaded", 2),
    ],
)
async def test_a_refused_request_is_one_clear_error(wire, status, kind, code, attempts):
    refused = error(status, wire.error_body(kind, f"no, because of {KEY} \x1b[31m"))
    async with provider(*[refused] * attempts) as served:
        failed = await failing(wire.adapter(served.url, retry=RetryPolicy(attempts=2, base=0.001)))

    assert failed.code == code
    assert len(served.requests) == attempts
    assert KEY not in str(failed.to_json())
    assert "⟦secret:THE_KEY⟧" in failed.message
    assert "\x1b" not in failed.message


async def test_an_unknown_model_is_told_from_the_text_of_servers_with_no_code_for_it(wire):
    body = {"error": {"message": 'model "m" not found, try pulling it first', "type": "api_error"}}
    async with provider(error(404, body)) as served:
        failed = await failing(wire.adapter(served.url))

    assert failed.code == "unknown_model"


async def test_a_context_too_long_is_told_from_the_text(wire):
    body = wire.error_body("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")
    async with provider(error(400, body)) as served:
        failed = await failing(wire.adapter(served.url))

    assert failed.code == "context_too_long"


async def test_a_refused_connection_names_the_address(wire):
    async with provider() as served:
        url = served.url
    failed = await failing(wire.adapter(url, retry=RetryPolicy(attempts=2, base=0.001)))

    assert failed.code == "provider_unreachable"
    assert url.removesuffix("/v1") in failed.message


async def test_without_a_key_the_provider_is_not_asked(wire):
    failed = await failing(wire.adapter(None, key=""))

    assert failed.code == "no_key"
    assert "THE_KEY" in failed.message


async def test_a_redirect_is_not_followed(wire):
    async with provider(fine(wire)) as other:
        elsewhere = Answer([], 307, {"Location": other.url + wire.path.removeprefix("/v1")})
        async with provider(elsewhere) as served:
            failed = await failing(wire.adapter(served.url))

        assert failed.code == "provider_bad_request"
        assert other.requests == []


async def test_a_cut_stream_is_asked_for_once_more(wire):
    cut = Answer([wire.begun(Text("half a sen")), CUT])
    async with provider(cut, fine(wire)) as served:
        events = await collect(wire.adapter(served.url))

    assert events[0] == TextDelta("half a sen")
    assert isinstance(events[1], Restarting)
    assert events[1].error["code"] == "provider_stream_cut"
    assert events[2] == TextDelta("fine")
    assert isinstance(events[-1], Finished)


async def test_a_stream_cut_twice_is_an_error(wire):
    cut = Answer([wire.begun(Text("half a sen")), CUT])
    async with provider(cut, cut) as served:
        failed = await failing(wire.adapter(served.url))

    assert failed.code == "provider_stream_cut"


async def test_a_stream_that_ends_well_but_has_no_end_was_cut(wire):
    async with provider(Answer([wire.begun(Text("half"))]), fine(wire)) as served:
        events = await collect(wire.adapter(served.url))

    assert [type(e).__name__ for e in events][:2] == ["TextDelta", "Restarting"]


async def test_a_cut_in_the_middle_of_a_character_and_of_a_call_gives_neither(wire):
    body = wire.begun(Text("€")) + wire.begun(Asked("one", '{"a": "€'))
    cut_at = body.rindex("€".encode()) + 2
    async with provider(Answer([body[:cut_at], CUT]), fine(wire)) as served:
        events = await collect(wire.adapter(served.url))

    assert not [e for e in events if isinstance(e, FunctionCallDone)]
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["€", "fine"]


async def test_an_error_event_after_a_good_status_is_an_error(wire):
    body = wire.begun(Text("I beg")) + wire.error_event("overloaded_error", "too busy")
    async with provider(Answer([body]), fine(wire)) as served:
        events = await collect(wire.adapter(served.url))

    assert events[1].error["code"] in ("provider_overloaded", "provider_server")
    assert "too busy" in events[1].error["message"]


async def test_a_refusing_error_event_is_not_tried_again(wire):
    body = wire.error_event("context_length_exceeded", "too long")
    async with provider(Answer([body])) as served:
        failed = await failing(wire.adapter(served.url))

    assert failed.code == "context_too_long"


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {bad\n\n",
        b"event: message_start\ndata: {bad\n\n",
        b"event: message_start\ndata: [1, 2]\n\ndata: [1, 2]\n\n",
        b'event: message_delta\ndata: {"type": "message_delta"}\n\ndata: {"no": "type"}\n\n',
        b"event: ping\ndata: \xff\xfe\n\ndata: \xff\xfe\n\n",
        b'event: content_block_start\ndata: {"type": "content_block_start", "index": 0}\n\ndata: "text"\n\n',
        b"<html>not a stream at all</html>",
    ],
    ids=["bad-json", "bad-json-named", "list", "no-type", "not-utf8", "missing-fields", "html"],
)
async def test_what_is_no_stream_of_the_protocol_is_a_typed_error(wire, garbage):
    async with provider(*[Answer([garbage])] * 2) as served:
        failed = await failing(wire.adapter(served.url, retry=RetryPolicy(attempts=2, base=0.001)))

    assert failed.code in ("provider_malformed", "provider_stream_cut")


@pytest.mark.parametrize("ends", [b"\r\n", b"\r", b"\n"], ids=["crlf", "cr", "lf"])
async def test_comments_and_line_ends_are_as_the_stream_format_allows(wire, ends):
    body = b": keep-alive\n\n" + wire.reply(Text("fi", "ne")).replace(b"\n\n", b"\nid: 1\nretry: 10\n\n: x\n")
    async with provider(Answer([body.replace(b"\n", ends)])) as served:
        events = await collect(wire.adapter(served.url))

    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "fine"


async def test_a_line_of_ten_megabytes_is_read_or_refused_by_its_bound(wire):
    body = wire.reply(Text("x" * 10_000_000))
    async with provider(Answer([body]), Answer([body])) as served:
        events = await collect(wire.adapter(served.url, reply_characters=20_000_000))
        failed = await failing(wire.adapter(served.url, reply_bytes=1_000_000))

    assert len(events[0].text) == 10_000_000
    assert failed.code == "reply_too_large"


async def test_an_endless_reply_is_cut_off_and_not_asked_for_again(wire):
    begun, delta = wire.sse([*wire.head(), *wire.open_text()]), wire.sse([wire.text_delta("word " * 200)])
    async with provider(Answer([begun], endless=lambda: delta)) as served:
        failed = await failing(wire.adapter(served.url, reply_characters=100_000))
        with anyio.fail_after(5):
            await served.gone.wait()

    assert failed.code == "reply_too_large"


async def test_endless_noise_that_is_no_text_is_bounded_too(wire):
    noise = Answer([wire.begun(Text("x"))], endless=lambda: b": keep-alive\n\n" * 1000)
    async with provider(noise) as served:
        failed = await failing(wire.adapter(served.url, reply_bytes=1_000_000))

    assert failed.code == "reply_too_large"


async def test_a_compressed_bomb_is_not_unpacked(wire):
    bomb = gzip.compress(wire.begun(Text("x")) + b": " + b"0" * 50_000_000)
    packed = Answer([bomb], headers={"Content-Encoding": "gzip"})
    async with provider(packed) as served:
        failed = await failing(wire.adapter(served.url, reply_bytes=10_000_000))

    assert failed.code == "reply_too_large"


async def test_a_silent_stream_is_given_up(wire):
    silent = Answer([wire.begun(Text("x")), SILENCE])
    async with provider(silent, silent) as served:
        failed = await failing(wire.adapter(served.url, silence=0.05))

    assert failed.code == "provider_timeout"


async def test_closing_the_stream_closes_the_connection(wire):
    async with provider(Answer([wire.begun(Text("x")), SILENCE])) as served:
        adapter = wire.adapter(served.url)
        stream = adapter.stream(request())
        assert await anext(stream) == TextDelta("x")
        await stream.aclose()
        with anyio.fail_after(5):
            await served.gone.wait()
        await adapter.aclose()


async def test_cancelling_while_the_provider_is_silent_closes_the_connection(wire):
    async with provider(Answer([wire.begun(Text("x")), SILENCE])) as served:
        adapter = wire.adapter(served.url)
        with anyio.CancelScope() as scope:
            async for event in adapter.stream(request()):
                assert event == TextDelta("x")
                scope.deadline = anyio.current_time() + 0.05
        with anyio.fail_after(5):
            await served.gone.wait()
        await adapter.aclose()

    assert scope.cancelled_caught


async def test_a_call_without_a_name_is_refused(wire):
    async with provider(*[Answer([wire.reply(Text("x"), Asked("", "{}"))])] * 2) as served:
        failed = await failing(wire.adapter(served.url))

    assert failed.code == "provider_malformed"


async def test_two_calls_of_the_same_id_are_refused(wire):
    body = wire.reply(Text("x"), Asked("one", "{}", "same"), Asked("two", "{}", "other"), Asked("one", "{}", "same"))
    async with provider(*[Answer([body])] * 2) as served:
        failed = await failing(wire.adapter(served.url))

    assert failed.code == "provider_malformed"


async def test_an_unknown_reason_to_stop_is_kept_to_ourselves_with_a_warning(wire, caplog):
    async with provider(Answer([wire.reply(Text("x"), reason="pause_turn2")])) as served:
        events = await collect(wire.adapter(served.url))

    assert isinstance(events[-1], Finished)
    assert "pause_turn2" in caplog.text
