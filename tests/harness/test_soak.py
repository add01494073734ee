"""Hundreds of runs among faults: every run ends, and the host is at the end as it was at the beginning."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import anyio
import pytest
from tests.harness.unharmed import Unharmed

from toolscript.agent.workers import Workers
from toolscript.errors import HostError, LimitExceeded, RunAborted, ToolError
from toolscript.harness import Harness

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(600)]
ROUNDS = 60
FAULTY = 0.2
"""One fault in five runs, far more than a machine ever has: four run at once, and each fault may reach all of them."""
SCRIPTS = (
    "return params.n;",
    "const r = await Promise.all([readFile('a.txt'), readFile('a.txt'), sleep(2)]); return params.n + r[0].length - 1;",
    "store.set('last', params.n); console.log('x'.repeat(500)); await sleep(1); return params.n;",
    "const t = tools.spawn.readFile({ path: 'a.txt' }); return params.n + (await t.done).length - 1;",
)
TYPED = {
    c.__name__ for base in (HostError, LimitExceeded, ToolError, RunAborted) for c in [base, *base.__subclasses__()]
}


class Faults:
    """Does something bad to the workers of a harness, as a seed says."""

    def __init__(self, harness: Harness, seed: int) -> None:
        self._harness, self._chance = harness, random.Random(seed)
        self.done = 0

    def perhaps(self, scope: anyio.CancelScope) -> None:
        if self._chance.random() > FAULTY:
            return
        self.done += 1
        kind = self._chance.choice(["busy", "idle", "stopped", "zygote", "cancel", "cancel"])
        pool = self._harness.pool
        nursery = pool._nursery
        match kind:
            case "busy" if pool._busy:
                self._strike(next(iter(pool._busy)).pid, signal.SIGKILL)
            case "idle" if pool._idle:
                self._strike(pool._idle[0].pid, signal.SIGKILL)
            case "stopped" if pool._busy:
                self._strike(next(iter(pool._busy)).pid, signal.SIGSTOP)
            case "zygote" if nursery is not None and self._chance.random() < 0.3:
                self._strike(nursery.pid, signal.SIGKILL)
            case "cancel":
                scope.cancel()

    def _strike(self, pid: int, number: int) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            self.done -= 1


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def rounds(harness: Harness, faults: Faults) -> tuple[int, list[str]]:
    """Run four scripts at once, again and again, and return how many gave what they should, and how others failed."""
    right, wrong = 0, []

    async def one(n: int) -> None:
        nonlocal right
        with anyio.CancelScope() as scope:
            faults.perhaps(scope)
            run = await harness.run(SCRIPTS[n % len(SCRIPTS)], params={"n": n}, limits={"guest_seconds": 0.1})
            if run.error is None:
                assert run.result == n
                right += 1
            else:
                wrong.append(run.error["name"])

    for each in range(ROUNDS):
        async with anyio.create_task_group() as group:
            for n in range(4):
                group.start_soon(one, 4 * each + n)
    return right, wrong


async def test_hundreds_of_runs_among_faults_leave_the_host_as_it_was(tmp_path):
    work = tmp_path / "place" / "work"
    work.mkdir(parents=True)
    (work / "a.txt").write_text("a")
    async with Harness(work, workers=Workers(max_size=4)) as harness:
        await rounds(harness, Faults(harness, 1))
        async with Unharmed(harness):
            before = resident()
            faults = Faults(harness, 2)
            right, wrong = await rounds(harness, faults)
            after = resident()

    assert faults.done > 20
    assert right > 2 * ROUNDS
    assert set(wrong) <= TYPED, wrong
    assert after < before * 1.2 + (4 << 20)
