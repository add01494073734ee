"""A script hears of calls that ended at once while others of the same step still begin; nothing else is different."""

from __future__ import annotations

import asyncio
import time

import anyio
import pytest
from tests.harness.runtime.playing import start_of

from toolscript.facade.course import PORTION
from toolscript.harness import Harness
from toolscript.journal.reader import records
from toolscript.limits import Limits
from toolscript.registry.classification import Classification, Danger, Effect
from toolscript.registry.shape import Shape
from toolscript.registry.tool import ToolModel, ToolSpec
from toolscript.runtime.lease import Lease
from toolscript.runtime.pool import Pool
from toolscript.runtime.session import Settlement
from toolscript.runtime.watch import GRACE_SECONDS, STALL_FACTOR

pytestmark = pytest.mark.anyio
MANY = 4 * PORTION + 1


class Number(ToolModel):
    n: int = 0


class Told:
    """Answers with its number, at once unless a test has it wait."""

    def __init__(self, name="told", does=lambda n: None) -> None:
        self.spec = ToolSpec(name=name, doc="t", effect=Effect.READ, input=Shape.of(Number), output=Shape.of(int))
        self.does = does

    async def classify(self, arguments, context):
        return Classification(effect=Effect.READ, danger=Danger.KNOWN_SAFE)

    async def call(self, arguments, context):
        if (waits := self.does(arguments.n)) is not None:
            await waits
        return arguments.n

    def render(self, arguments, output):
        return str(output)


@pytest.fixture
def two_processors(monkeypatch):
    monkeypatch.setattr("toolscript.runtime.pool._PROCESSORS", 2)


@pytest.fixture
def sent(monkeypatch):
    """What was settled ahead."""
    numbers: list[list[int]] = []
    early = Lease.settle_early

    def noted(lease, settlements):
        def asked():
            found = settlements()
            numbers.append([settlement.number for settlement in found])
            return found

        early(lease, asked)

    monkeypatch.setattr(Lease, "settle_early", noted)
    return numbers


async def acts(harness, run):
    """Return what a run's journal holds, in order: each call and each outcome by number."""
    path = next((harness.state / "runs").glob(f"{run.run_id}*.jsonl"))
    kinds = ((record.kind, getattr(record, "number", None)) for record in records(path))
    return [(kind, number) for kind, number in kinds if kind in ("call", "end")]


async def test_the_journal_is_the_same(tmp_path, monkeypatch):
    written = []
    for processors in (1, 2):
        monkeypatch.setattr("toolscript.runtime.pool._PROCESSORS", processors)
        async with Harness(tmp_path, tools=[Told()]) as harness:
            run = await harness.run(
                f"await Promise.all(Array.from({{length: {MANY}}}, (_, n) => tools.told({{n}}).then(tools.told)));"
            )
            written.append(await acts(harness, run))
    assert written[0] == written[1]
    assert len(written[0]) == 4 * MANY


async def test_those_that_ended_at_once_are_settled_while_others_begin(tmp_path, two_processors, sent):
    async with Harness(tmp_path, tools=[Told()]) as harness:
        run = await harness.run(
            f"return (await Promise.all(Array.from({{length: {MANY}}}, (_, n) => tools.told({{n}})))).join();"
        )
    assert run.result == ",".join(map(str, range(MANY)))
    assert sent == [list(range(at + 1, at + PORTION + 1)) for at in range(0, MANY - 1, PORTION)]


async def test_what_the_script_does_then_is_heard_before_the_host_waits_for_the_rest(tmp_path, two_processors, sent):
    gate = asyncio.Event()

    def waits(n):
        return None if n < PORTION else gate.wait()

    tools = [Told(does=waits), Told("opens", lambda n: gate.set())]
    async with Harness(tmp_path, tools=tools, limits=Limits(in_flight=2 * MANY)) as harness:
        with anyio.fail_after(20):
            run = await harness.run(
                f"const all = Array.from({{length: {2 * PORTION}}}, (_, n) => tools.told({{n}}));"
                "await all[0]; await tools.opens({}); return (await Promise.all(all)).length;"
            )
    assert run.result == 2 * PORTION
    assert sent[0] == list(range(1, PORTION + 1))


async def test_a_script_that_ends_with_the_first_of_them_has_ended(tmp_path, two_processors, sent):
    async with Harness(tmp_path, tools=[Told()]) as harness:
        for _ in range(3):
            run = await harness.run(
                f"return await Promise.race(Array.from({{length: {MANY}}}, (_, n) => tools.told({{n}})));"
            )
            assert (run.status, run.result) == ("completed", 0)
    assert sent


async def test_a_timer_fires_while_answers_are_always_owed(tmp_path, two_processors, sent):
    async with Harness(tmp_path, tools=[Told()], limits=Limits(calls=100_000, guest_seconds=20)) as harness:
        run = await harness.run(
            "let late = false, n = 0; setTimeout(() => { late = true }, 5);"
            f"while (!late && n++ < 5000) await Promise.all(Array.from({{length: {PORTION + 1}}}, () => tools.told({{}})));"
            "return late;"
        )
    assert run.result is True
    assert sent


async def test_the_wall_limit_holds_while_answers_are_always_owed(tmp_path, two_processors, sent):
    async with Harness(tmp_path, tools=[Told()], limits=Limits(calls=100_000, guest_seconds=20)) as harness:
        run = await harness.run(
            f"for (;;) await Promise.all(Array.from({{length: {PORTION + 1}}}, () => tools.told({{}})));",
            limits={"wall_seconds": 0.05},
        )
    assert run.error["code"] == "wall_time_limit"


async def test_one_that_is_not_alone_hears_of_all_at_once(tmp_path, monkeypatch, sent):
    monkeypatch.setattr("toolscript.runtime.pool._PROCESSORS", 1)
    async with Harness(tmp_path, tools=[Told()]) as harness:
        run = await harness.run(
            f"return (await Promise.all(Array.from({{length: {MANY}}}, (_, n) => tools.told({{n}})))).length;"
        )
    assert run.result == MANY
    assert sent == []


async def test_a_worker_that_is_lost_meanwhile_fails_the_run_as_ever(tmp_path, two_processors, sent):
    async with Harness(tmp_path, limits=Limits(guest_seconds=0.2), tools=[Told()]) as harness:
        run = await harness.run(
            f"const all = Array.from({{length: {MANY}}}, (_, n) => tools.told({{n}}));await all[0]; for (;;) {{}} "
        )
        assert run.error["code"] == "guest_time_limit"
        assert (await harness.run("return 1;")).result == 1


async def test_batches_of_what_was_sent_ahead_come_first():
    async with Pool(min_size=1, max_size=1) as pool, pool.checkout() as session:
        await session.start(start_of("const a = tools.echo({}), b = tools.echo({}); return [await a, await b];"))
        session._lender.alone = lambda: True
        session.settle_early(lambda: [Settlement(number=1, ok=True, value="1", time_ms=1)])
        assert session.owed == 1
        batches = await session.settle([Settlement(number=2, ok=True, value="2", time_ms=2)])
    assert (len(batches), session.owed) == (2, 0)
    assert batches[1].ended.result == "[1,2]"


async def test_a_worker_is_not_ended_because_its_host_stood_still_after_it_sent_ahead():
    limits = Limits(guest_seconds=0.05)
    async with Pool(min_size=1, max_size=1) as pool, pool.checkout() as session:
        await session.start(start_of("return await tools.echo({});", limits=limits))
        session._lender.alone = lambda: True
        session.settle_early(lambda: [Settlement(number=1, ok=True, value="1", time_ms=1)])
        time.sleep(STALL_FACTOR * limits.guest_seconds + GRACE_SECONDS + 0.05)  # a tool that keeps the loop to itself
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        assert session.worker.link.broken is None
        (batch,) = await session.settle([])
    assert batch.ended.result == "1"
