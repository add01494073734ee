"""Replay: the same result and logs, whatever the order in which outcomes came; a difference is named."""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest
from tests.harness.recovery.random_scripts import Writer

from toolscript.errors import WorkerCrashed
from toolscript.harness import Harness
from toolscript.journal.records import CallRecord, EndRecord, LogRecord, MemoryJournal, RunEndRecord, RunRecord
from toolscript.limits import Limits
from toolscript.recovery.live import differences
from toolscript.recovery.replay import Replayed, replay
from toolscript.recovery.tape import Tape
from toolscript.registry.function import tool
from toolscript.runtime.pool import Pool

pytestmark = pytest.mark.anyio

SCRIPTS = int(os.environ.get("TOOLSCRIPT_RANDOM_SCRIPTS", "200"))
"""How many random scripts are tried; a release is tried with 10 000."""
AT_ONCE = 4
LIMITS = Limits(calls=400, in_flight=8)


@tool(effect="read")
async def work(ms: float, value: object, fail: bool) -> object:
    await anyio.sleep(ms / 1000)
    if fail:
        raise ValueError(f"no {value}")
    return value


@pytest.fixture
async def harness(tmp_path):
    journals: dict[str, MemoryJournal] = {}

    def journal(run_id: str) -> MemoryJournal:
        return journals.setdefault(run_id, MemoryJournal())

    async with Harness(tmp_path, tools=[work], limits=LIMITS, journals=journal) as opened:
        opened.kept = journals
        yield opened


async def recorded(harness: Harness, source: str) -> MemoryJournal:
    run = await harness.run(source)
    return harness.kept.pop(run.run_id)


async def replayed(harness: Harness, records, **digests: str) -> Replayed:
    return await replay(Tape.read(records), harness.pool, digests=digests)


@pytest.mark.timeout(60 + SCRIPTS)
async def test_random_concurrent_scripts_record_and_replay_alike(harness):
    lost: list[int] = []

    async def attempt(seed: int) -> None:
        source = Writer(seed).script()
        run = await harness.run(source)
        journal = harness.kept.pop(run.run_id)
        again = await replayed(harness, journal.records)
        logs = [r for r in journal.records if isinstance(r, LogRecord)]
        assert again.divergence is None, f"seed {seed}\n{again.divergence}\n{source}"
        assert list(again.logs) == logs, seed
        if run.error is not None and run.error["code"] == "worker_crashed":
            # The machine took the worker: what was recorded until then is alike, and the script gets another.
            assert again.outcome == "partial", seed
            lost.append(seed)
            await attempt(seed)
            return
        assert again.outcome == "same", f"seed {seed}: {run.error}\n{source}"
        assert again.result == run.result, seed

    for first in range(0, SCRIPTS, AT_ONCE):
        async with anyio.create_task_group() as group:
            for seed in range(first, min(first + AT_ONCE, SCRIPTS)):
                group.start_soon(attempt, seed)
    print(f"{SCRIPTS} scripts, {len(lost)} workers lost: {lost}")
    assert len(lost) <= SCRIPTS // 1000, lost


class Killing:
    """Sessions whose worker is killed after some settlements, for the first so many sessions."""

    def __init__(self, pool: Pool, sessions: int, after: int) -> None:
        self.pool, self.left, self.after, self.killed = pool, sessions, after, 0

    @asynccontextmanager
    async def checkout(self):
        async with self.pool.checkout() as session:
            doomed, self.left = self.left > 0, self.left - 1
            yield Doomed(session, self) if doomed else session


class Doomed:
    def __init__(self, session, owner: Killing) -> None:
        self._session, self._owner, self._settled = session, owner, 0

    async def start(self, start, **more):
        return await self._session.start(start, **more)

    async def settle(self, settlements):
        self._settled += 1
        if self._settled == self._owner.after:
            self._owner.killed += 1
            os.kill(self._session.worker.pid, signal.SIGKILL)
        return await self._session.settle(settlements)


async def test_a_replay_whose_worker_is_lost_is_fed_to_another(harness):
    journal = await recorded(harness, RACE)
    twice, always = Killing(harness.pool, 2, after=1), Killing(harness.pool, 99, after=2)

    again = await replay(Tape.read(journal.records), twice)

    assert (twice.killed, again.outcome, again.result) == (2, "same", ["slow", "fast"])
    with pytest.raises(WorkerCrashed):
        await replay(Tape.read(journal.records), always)
    assert always.killed == 3


async def test_a_run_whose_worker_is_lost_while_it_waits_replays_to_its_last_record(harness):
    called = anyio.Event()

    async def kill_when_called() -> None:
        await called.wait()
        for pid in harness.pool.metrics()["pids"]:
            os.kill(pid, signal.SIGKILL)

    def hear(event) -> None:
        if event.type == "operation_started":
            called.set()

    async with anyio.create_task_group() as group:
        group.start_soon(kill_when_called)
        with harness.listening(hear):
            run = await harness.run(f"console.log('before'); {RACE.replace('ms: 9', 'ms: 90_000')}")
    again = await replayed(harness, harness.kept.pop(run.run_id).records)

    assert run.error is not None and run.error["code"] == "worker_crashed"
    assert (again.outcome, [log.text for log in again.logs][:1]) == ("partial", ["before"])


RACE = """
const fast = tools.work({ms: 1, value: 'fast', fail: false});
const slow = tools.work({ms: 9, value: 'slow', fail: false});
console.log(await Promise.race([fast, slow]), Math.random());
return [await slow, await fast];
"""


async def test_no_tool_is_touched(harness):
    journal = await recorded(harness, RACE)
    harness.registry.remove("work")

    assert (await replayed(harness, journal.records)).result == ["slow", "fast"]


async def test_another_order_of_settlements_diverges(harness):
    journal = await recorded(harness, RACE)
    ends = [n for n, r in enumerate(journal.records) if isinstance(r, EndRecord)]
    swapped = list(journal.records)
    swapped[ends[0]], swapped[ends[1]] = swapped[ends[1]], swapped[ends[0]]

    divergence = (await replayed(harness, swapped)).divergence

    assert divergence is not None
    assert divergence.expected.startswith("console.log: fast")
    assert divergence.got.startswith("console.log: slow")


def changed(records, kind, **fields):
    at = next(n for n, r in enumerate(records) if isinstance(r, kind))
    return [*records[:at], replace(records[at], **fields), *records[at + 1 :]]


async def test_a_changed_script_diverges_at_the_call_and_the_nearest_recorded_one_is_named(harness):
    journal = await recorded(
        harness, "await sleep(1)\nreturn work({ms: 1, value: 7, fail: false})".replace("work", "tools.work")
    )
    source = journal.records[0].source.replace("7", "8")

    divergence = (await replayed(harness, changed(journal.records, RunRecord, source=source), engine="x")).divergence

    assert divergence is not None
    assert '"value":7' in divergence.expected
    assert '"value":8' in divergence.got
    assert '"value":7' in divergence.nearest and divergence.nearest.endswith("at line 2")
    assert divergence.reasons == ("the recording was made with another engine",)
    assert "nearest recorded call" in str(divergence)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("store.set('a', 1)", "store changes"),
        ("store.set('a', 2); return 1", "completed: null"),
        ("store.set('a', 2); throw new Error('x')", "completed: null"),
        ("store.set('a', 2); await tools.work({ms: 0, value: 1, fail: false})", "nothing more"),
    ],
)
async def test_endings_store_changes_and_calls_beyond_the_record_are_compared(harness, source, expected):
    journal = await recorded(harness, "store.set('a', 2)")

    divergence = (await replayed(harness, changed(journal.records, RunRecord, source=source))).divergence

    assert divergence is not None and divergence.expected.startswith(expected)


async def test_a_settlement_of_what_the_script_no_longer_asks_for_diverges(harness):
    journal = await recorded(harness, "await tools.work({ms: 0, value: 1, fail: false})")

    again = await replayed(harness, changed(journal.records, RunRecord, source="await new Promise(() => {})"))

    assert again.divergence is not None
    assert again.divergence.expected.startswith("call #1 work")


@pytest.mark.parametrize(
    ("source", "limits"),
    [
        ("await new Promise(() => {})", {}),
        ("for (;;) {}", {"guest_seconds": 0.3}),
        ("await sleep(9e5)", {"wall_seconds": 0.2}),
    ],
)
async def test_a_run_that_was_ended_from_outside_replays_to_its_last_record(harness, source, limits):
    run = await harness.run(f"console.log('before'); {source}", limits=limits)

    again = await replayed(harness, harness.kept.pop(run.run_id).records)

    assert (again.outcome, [log.text for log in again.logs]) == ("partial", ["before"])


async def test_an_interrupted_run_replays_to_its_last_record(harness):
    journal = await recorded(harness, RACE)
    cut = next(n for n, r in enumerate(journal.records) if isinstance(r, EndRecord))

    assert (await replayed(harness, journal.records[: cut + 1])).outcome == "partial"


async def test_redacted_secrets_are_named_as_a_reason(harness):
    journal = await recorded(harness, "return (await tools.work({ms: 0, value: 'abc', fail: false})).length")

    again = await replayed(harness, changed(journal.records, EndRecord, value='"⟦secret:TOKEN⟧"'))

    assert again.divergence is not None
    assert any("redacted" in reason for reason in again.divergence.reasons)


async def test_every_run_names_engine_facade_and_tools_and_its_times(harness):
    journal = await recorded(harness, RACE)
    run, end = journal.records[0], journal.records[-1]

    assert isinstance(run, RunRecord) and run.digests.keys() == {"engine", "facade", "tools"}
    assert isinstance(end, RunEndRecord) and end.time_ms >= run.time_ms
    assert all(r.time_ms >= run.time_ms for r in journal.records if isinstance(r, CallRecord))


async def test_what_a_live_run_changed_is_shown_by_place_of_the_call(harness):
    then = await recorded(harness, "console.log('a')\nreturn tools.work({ms: 1, value: 7, fail: false})")
    now = await recorded(harness, "console.log('b')\nreturn tools.work({ms: 1, value: 8, fail: false})")

    found = differences(then.records, now.records)

    assert [d.what for d in found] == ["work at line 2", "console", "ending"]
    assert (found[2].recorded, found[2].now) == ("completed: 7", "completed: 8")
    assert differences(then.records, then.records) == ()
