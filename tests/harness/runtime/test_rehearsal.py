"""A worker finds the memory that its script takes at hand: one before it has gone the same way and told."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import struct
import sys
from pathlib import Path

import pytest
from tests.harness.runtime.playing import FACADE, START_MS, play, start_of
from tests.harness.runtime.test_rousing import limbered, next_of

from toolscript.language.blank import blank
from toolscript.runtime import frames, rehearsal
from toolscript.runtime import pool as pools
from toolscript.runtime.pool import Pool
from toolscript.runtime.prefault import PAGE, POPULATE_READ, POPULATE_WRITE, Room, packed
from toolscript.runtime.process import WorkerProcess
from toolscript.runtime.quickjs import QuickJSEngine
from toolscript.runtime.rehearsal import Rehearsal
from toolscript.runtime.rehearsed import Soliloquy, cues
from toolscript.runtime.session import Call, Settlement
from toolscript.runtime.wire import facade_text
from toolscript.runtime.worker import serve

pytestmark = pytest.mark.anyio

SCRIPTS = {
    "no call": "return 1;",
    "one call": "return await tools.echo({ n: 1 });",
    "ten calls in sequence": "let s = 0; for (let n = 0; n < 10; n++) s += (await tools.echo({ n })).n; return s;",
    "ten calls at once": "return await Promise.all(Array.from({ length: 10 }, (_, n) => tools.echo({ n })));",
}
HARDLY_ANY = 14
"""Pages: 1 to 7 are usual. Some hundreds without a rehearsal, 15 to 50 with one whose host says all in one breath."""


@pytest.fixture
def populates() -> None:
    """Skips where the kernel cannot do what a rehearsal is for, or tells nobody which pages are a process's own."""
    if sys.platform != "linux" or not os.access("/proc/self/pagemap", os.R_OK):
        pytest.skip("this system does not tell which pages are a process's own")
    with mmap.mmap(-1, PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as page:
        if ctypes.CDLL(None).madvise(ctypes.c_void_p(_address(page)), ctypes.c_size_t(PAGE), POPULATE_WRITE) != 0:
            pytest.skip("this kernel does not populate memory on request")


def _address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def faults(worker: WorkerProcess) -> int:
    """Return how many pages the process had to be given so far, each in the middle of something."""
    stat = Path(f"/proc/{worker.pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[7])


async def taken(pool: Pool, source: str) -> int:
    """Return how many pages a worker has to be given between its being roused and its answer."""
    worker = await next_of(pool)
    await limbered(worker, 0.0)
    before = faults(worker)
    asleep = worker.cpu_seconds()
    pool.rouse()
    await limbered(worker, asleep)
    async with pool.checkout() as session:
        assert session.worker is worker
        batch = await session.start(start_of(source, prepared=blank(source, last_expression=False)))
        while batch.ended is None:
            batch = (await session.settle([settled(m) for m in batch.messages if isinstance(m, Call)]))[-1]
        return faults(worker) - before


def settled(call: Call) -> Settlement:
    """Answer a call with its own arguments."""
    return Settlement(number=call.number, ok=True, value=call.arguments, time_ms=START_MS + call.number)


@pytest.mark.usefixtures("populates")
@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_worker_that_is_roused_has_the_memory_for_its_script_at_hand(script, monkeypatch):
    monkeypatch.setattr(pools, "_PROCESSORS", 2)
    source = SCRIPTS[script]
    pool = Pool(min_size=1, max_size=1)
    pool.expect(FACADE)
    async with pool:
        found = [await taken(pool, source) for _ in range(3)]

    assert min(found) < HARDLY_ANY


async def test_workers_are_born_where_the_rehearsal_ends_before_its_time():
    async with Pool(min_size=1, max_size=1, engine="tests.workers.unlimited:StageFright") as pool:
        assert (await play(pool, "return await tools.echo({ n: 1 });")).result == {"n": 1}


def test_what_is_rehearsed_is_a_script_that_comes_to_its_end():
    worker, other = socket.socketpair()
    with worker, other:
        engine = QuickJSEngine()
        engine.furnish(facade_text(FACADE))
        serve(Soliloquy(worker, other, cues(facade_text(FACADE))), lambda: engine, blank, 1)
        worker.shutdown(socket.SHUT_WR)
        heard = b"".join(iter(lambda: other.recv(1 << 16), b""))

    batches = [json.loads(parts[1]) for _, parts in frames.Splitter(1 << 20).feed(heard)]
    calls = [sum(message[0] == "c" for message in batch) for batch in batches]
    assert (calls[0], max(calls), sum(calls)) == (1, 10, 20)
    assert batches[-1][-1][0] == "d"


def test_a_worker_looks_in_vain_where_a_host_takes_its_time_and_waits_where_it_must():
    worker, other = socket.socketpair()
    with worker, other:
        alone = Soliloquy(worker, other, [b"a", None, b"b", None, b"c"])
        assert alone.recv(9, socket.MSG_DONTWAIT) == b"a"
        with pytest.raises(BlockingIOError):
            alone.recv(9, socket.MSG_DONTWAIT)
        assert [alone.recv(9) for _ in range(4)] == [b"b", b"c", b"", b""]


@pytest.mark.usefixtures("populates")
@pytest.mark.parametrize("at_once", [True, False], ids=["in one call", "range by range"])
@pytest.mark.parametrize("use", [POPULATE_READ, POPULATE_WRITE], ids=["to be read", "to be written"])
def test_what_is_populated_is_there_and_nothing_else_is(use, at_once):
    room = Room()
    if not at_once:
        room._number = None
    with mmap.mmap(-1, 9 * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        start = _address(memory)
        ranges = packed([(start + PAGE, PAGE), (start + 4 * PAGE, 2 * PAGE)])
        told, tell = os.pipe()
        os.write(tell, ranges)
        os.close(tell)
        room.read(told, len(ranges))
        os.close(told)

        for call in room.populate(use):
            call()

        assert _present(start, 9) == [1, 4, 5]


def test_of_no_ranges_nothing_is_asked():
    assert Room().populate(POPULATE_WRITE) == []


def _present(start: int, pages: int) -> list[int]:
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        entries = os.pread(pagemap.fileno(), pages * 8, start // PAGE * 8)
    return [page for page, (entry,) in enumerate(struct.iter_unpack("=Q", entries)) if entry >> 63]


def test_the_end_of_a_child_that_tells_nothing_is_heard(monkeypatch):
    ended: list[int] = []
    monkeypatch.setattr(rehearsal, "_PATIENCE_SECONDS", 30.0)
    monkeypatch.setattr(os, "kill", lambda pid, number: ended.append(pid))
    heard, ends = socket.socketpair()
    with heard, ends:
        heard.send(b"x")
        rehearsed = Rehearsal(facade_text(()), lambda *kept: ())
        rehearsed.watch(1, ends)
        assert rehearsed.learned() == ()
    rehearsed.theirs.close()
    assert ended == []
