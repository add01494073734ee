"""Who waits for a quick answer looks for it a moment first, and wastes next to nothing where it takes its time."""

from __future__ import annotations

import socket

import anyio
import pytest
from tests.harness.runtime.playing import LOOP, start_of

from toolscript.runtime import frames, lease, order, worker
from toolscript.runtime.link import Link
from toolscript.runtime.pool import Pool
from toolscript.runtime.session import Settlement

pytestmark = pytest.mark.anyio

FRAME = frames.encode(frames.Kind.READY, [b"{}"])


@pytest.fixture
async def ends():
    ours, theirs = socket.socketpair()
    link = Link(ours, 1 << 20)
    with theirs:
        yield link, theirs
    link.close()


async def test_an_answer_that_is_there_is_found_without_a_turn_of_the_loop(ends):
    link, theirs = ends
    theirs.sendall(FRAME)
    assert link.look(1.0)
    assert link.arrived() == (frames.Kind.READY, [b"{}"])
    assert link.arrived() is None


async def test_a_look_in_vain_ends_and_what_comes_later_is_received_as_ever(ends):
    link, theirs = ends
    assert not link.look(0.001)
    theirs.sendall(FRAME)
    assert await link.receive() == (frames.Kind.READY, [b"{}"])


async def test_an_end_is_found_like_an_answer(ends):
    link, theirs = ends
    theirs.close()
    assert link.look(1.0)
    with pytest.raises(EOFError):
        await link.receive()


def told_alone(start: bytes) -> bool:
    ((_, parts),) = frames.Splitter(1 << 20).feed(start)
    return order.decode_start(parts).alone


async def test_only_a_script_that_is_alone_is_told_to_look(monkeypatch):
    starts: list[bytes] = []
    send = Link.send

    def noted(link: Link, data: bytes) -> None:
        starts.append(data)
        send(link, data)

    monkeypatch.setattr(Link, "send", noted)
    monkeypatch.setattr("toolscript.runtime.pool._PROCESSORS", 2)
    async with Pool(min_size=2, max_size=2) as pool, pool.checkout() as first:
        await first.start(start_of("await tools.echo({}); return 1;"))
        async with pool.checkout() as second:
            await second.start(start_of("return 1;"))
    assert [told_alone(start) for start in starts] == [True, False]


@pytest.mark.parametrize("slow", [0.0, 0.01])
async def test_looking_costs_a_worker_no_more_cpu_time_than_its_patience(slow, monkeypatch):
    monkeypatch.setattr("toolscript.runtime.pool._PROCESSORS", 2)
    async with Pool(min_size=1, max_size=1) as pool, pool.checkout() as session:
        batch = await session.start(start_of(LOOP))
        before, guest = session.worker.cpu_seconds(), batch.guest_seconds
        while batch.ended is None:
            number = batch.messages[0].number
            await anyio.sleep(slow)
            (batch,) = await session.settle([Settlement(number=number, ok=True, value="1", time_ms=number)])
        looked = session.worker.cpu_seconds() - before - (batch.guest_seconds - guest)
    # Thirty looks in vain would be 30 times as long as one; after a few, no more are tried.
    most = worker.PATIENCE_SECONDS if not slow else 30 * worker.LOOK_SECONDS
    assert looked < most + 0.03
    assert worker.PATIENCE_SECONDS < 0.25  # what ring 3 grants beyond a script's time


async def test_a_host_that_looks_in_vain_soon_looks_no_more(monkeypatch):
    looks: list[bool] = []
    look = Link.look

    def noted(link: Link, seconds: float) -> bool:
        looks.append(look(link, 0.0))  # as if everything took too long
        return looks[-1]

    monkeypatch.setattr(Link, "look", noted)
    monkeypatch.setattr("toolscript.runtime.pool._PROCESSORS", 2)
    async with Pool(min_size=1, max_size=1) as pool, pool.checkout() as session:
        batch = await session.start(start_of(LOOP))
        while batch.ended is None:
            number = batch.messages[0].number
            (batch,) = await session.settle([Settlement(number=number, ok=True, value="1", time_ms=number)])
    assert looks.count(False) < 2 * lease.HOPE + 2
