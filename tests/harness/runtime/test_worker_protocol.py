"""The host believes nothing that a worker sends: each lie ends in a fault and a new worker, never in harm."""

from __future__ import annotations

import pytest
from tests.harness.runtime.playing import play, tight
from tests.workers.liars import ATTACKS

from toolscript.errors import HostError, ProtocolFault, ToolscriptError, WorkerCrashed
from toolscript.runtime.frames import MOST_PARTS, Kind, Splitter, encode, encode_settlement, settlement_head
from toolscript.runtime.pool import Pool

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def liars(anyio_backend):
    async with Pool(min_size=1, max_size=2, engine="tests.workers.liars:Liar", grace_seconds=0.1) as opened:
        yield opened


@pytest.mark.parametrize("attack", list(ATTACKS))
async def test_a_frame_that_is_not_as_agreed_is_a_fault_and_costs_the_worker(liars, attack):
    faults = liars.metrics()["restarts"].get("protocol_fault", 0)

    with pytest.raises(ProtocolFault) as caught:
        await play(liars, f"// {attack}", prepared=f"// {attack}")

    assert caught.value.code == "protocol_fault"
    assert caught.value.lost_logs  # type: ignore[attr-defined]
    assert liars.metrics()["restarts"]["protocol_fault"] == faults + 1


async def _with(engine: str, source: str = "return 1;", **options):
    async with Pool(min_size=1, max_size=2, engine=f"tests.workers.liars:{engine}", grace_seconds=0.1) as pool:
        return await play(pool, source, **options)


async def test_half_a_frame_and_an_end_is_a_crash_not_an_end_of_stream():
    with pytest.raises(WorkerCrashed, match="status 0"):
        await _with("HalfFrame")


async def test_the_deadline_covers_a_whole_frame_not_each_byte():
    with pytest.raises(WorkerCrashed, match="no progress"):
        await _with("Drip", limits=tight(guest_seconds=0.05))


async def test_a_worker_that_never_answers_is_killed():
    with pytest.raises(WorkerCrashed, match="no progress"):
        await _with("Silent", limits=tight(guest_seconds=0.05))


async def test_of_two_results_the_first_stands_and_the_worker_goes():
    async with Pool(
        min_size=1, max_size=1, uses_per_worker=9, engine="tests.workers.liars:TwoResults", grace_seconds=0.1
    ) as pool:
        assert (await play(pool, "return 0;")).result == 1
        try:
            again = (await play(pool, "return 0;")).result
        except ProtocolFault:
            again = 1  # the second result was met by the next script, and did not pass for its own
        assert again == 1


async def test_a_call_after_the_result_is_never_seen():
    played = await _with("CallAfterEnd")

    assert played.result == 1
    assert played.calls == []


async def test_a_flood_on_standard_error_goes_nowhere():
    assert (await _with("Loud")).result == 0


async def test_a_crash_names_its_signal():
    with pytest.raises(WorkerCrashed, match="SIGSEGV"):
        await _with("Crashing")


async def test_an_engine_that_cannot_start_is_a_clear_error_and_no_storm():
    async with Pool(min_size=1, max_size=2, engine="tests.workers.liars:Stillborn", grace_seconds=0.1) as pool:
        for _ in range(2):
            with pytest.raises(HostError, match="the engine's library is missing"):
                await play(pool, "return 1;")
        assert pool.metrics()["restarts"]["start_failed"] <= 4


async def test_an_engine_nobody_has_is_refused_by_name():
    with pytest.raises(ToolscriptError, match="no engine 'v8'"):
        Pool(engine="v8")


def test_frames_are_put_together_from_any_pieces():
    data = encode(Kind.BATCH, [b"a", b"", b"ccc"]) + encode(Kind.READY, [])
    splitter = Splitter(1000)

    found = [frame for at in range(len(data)) for frame in splitter.feed(data[at : at + 1])]

    assert found == [(Kind.BATCH, [b"a", b"", b"ccc"]), (Kind.READY, [])]
    assert not splitter.inside


@pytest.mark.parametrize("value", [b"", b"null", "é".encode() * 70_000])
def test_a_settlement_is_packed_as_the_frame_that_its_parts_make(value):
    frame = encode_settlement(7, True, value, 1.5)

    ((kind, parts),) = Splitter(1 << 20).feed(frame)
    assert (kind, settlement_head(parts[0]), parts[1:]) == (Kind.SETTLE, (7, True, 1.5), [value])
    assert frame == encode(Kind.SETTLE, parts)


def test_a_frame_beyond_the_limit_is_refused_by_its_head():
    with pytest.raises(ProtocolFault, match="beyond the 10"):
        Splitter(10).feed(encode(Kind.BATCH, [b"x" * 100])[:8])


def test_more_parts_than_allowed_are_refused():
    with pytest.raises(ProtocolFault, match="parts"):
        Splitter(1 << 20).feed(encode(Kind.BATCH, [b""] * (MOST_PARTS + 1)))
