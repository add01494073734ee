"""What native code in a worker cannot do, tried from inside."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.harness.runtime.playing import play
from tests.needs import need
from tests.workers.prisoner import ATTEMPTS, DEADLY

from toolscript.errors import WorkerCrashed
from toolscript.runtime.pool import Pool

need("landlock", "seccomp")
pytestmark = pytest.mark.anyio


@pytest.fixture
async def prison():
    async with Pool(min_size=1, max_size=2, engine="tests.workers.prisoner:Prisoner", grace_seconds=0.1) as opened:
        yield opened


async def test_nothing_outside_the_process_can_be_reached(prison, monkeypatch):
    monkeypatch.setenv("CANARY", "canary-secret")
    found = (await play(prison, "return 0;")).result

    assert found.pop("environment") == {"TZ": "UTC0"}
    assert found == {name: ("MemoryError" if name == "much memory" else found[name]) for name in ATTEMPTS}
    assert {name for name, outcome in found.items() if outcome == "done"} == set()


@pytest.mark.parametrize("attempt", list(DEADLY))
async def test_what_only_an_attacker_asks_for_ends_the_worker(prison, attempt):
    with pytest.raises(WorkerCrashed, match="SIGSYS"):
        await play(prison, f"// {attempt}", prepared=f"// {attempt}")


async def test_a_fully_confined_worker_has_nothing_missing(pool):
    assert await pool.confinement() == ()


async def test_a_worker_holds_one_descriptor_and_no_secret(pool, monkeypatch):
    async with pool.checkout():
        pid = pool.metrics()["pids"][0]
        status = Path(f"/proc/{pid}/status").read_text()

        assert _descriptors(pid) in (None, 1)
        assert re.search(r"NoNewPrivs:\s+1", status)
        assert re.search(r"Seccomp:\s+2", status)
        assert re.search(r"CapEff:\s+0000000000000000", status)


def _descriptors(pid: int) -> int | None:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:  # not dumpable: not even its owner looks in
        return None


async def test_core_dumps_are_off_for_workers(pool):
    async with pool.checkout():
        pid = pool.metrics()["pids"][0]
        limits = Path(f"/proc/{pid}/limits").read_text()

        assert re.search(r"Max core file size\s+0\s+0", limits)
        assert re.search(r"Max open files\s+0\s+0", limits)
