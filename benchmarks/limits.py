"""Measures what only we promise: cold start, TypeScript, how soon each ring acts, memory, how soon a worker is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from toolscript.errors import LimitExceeded
from toolscript.limits import Limits
from toolscript.runtime.pool import Pool
from toolscript.runtime.session import FacadeEntry, Settlement, Start

ROOT = Path(__file__).resolve().parent.parent
TYPESCRIPT = "const a: number = 1;\nfunction f(x: string): unknown { return x as unknown }\n" * 245 + "return 1;"
RING_SECONDS = 0.2

_GROUND = "import asyncio, anyio, pydantic, toolscript.events"
_WHOLE = f"{_GROUND}, anyio._backends._asyncio, toolscript.agent.configuration"
"""The same with what anyio, which imports lazily, has for asyncio; and with all pydantic models of ours that a run
needs: those of events, and of the configuration."""
_COLD = """
import sys, time, tempfile, os
sys.path[:0] = {paths!r}
began = time.perf_counter()
{ground}
ground = time.perf_counter()
from toolscript.harness import Harness
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
async def main():
    async with Harness(tempfile.mkdtemp()) as harness:
        await harness.run("return 1")
        print(ground - began, time.perf_counter() - ground)
asyncio.run(main())
"""


async def measured(quick: bool) -> dict[str, str]:
    """Return each figure with its name."""
    rounds = 3 if quick else 15
    found = {
        "cold: imports of asyncio, anyio, events / from there to the first result, ms": _cold(rounds, _GROUND),
        "cold: the same, anyio's backend and the configuration's models too / from there, ms": _cold(rounds, _WHOLE),
    }
    async with Pool(Limits(guest_seconds=30), min_size=2, max_size=4) as pool:
        found["no-op in the pool alone, ms"] = await _median(
            rounds * 10, lambda: _timed(pool, "return 1;", "return 1;")
        )
        found["20 KB of TypeScript, not cached, ms"] = await _median(rounds, lambda: _timed(pool, TYPESCRIPT, None))
        prepared = await _prepared(pool)
        found["20 KB of TypeScript, cached, ms"] = await _median(rounds, lambda: _timed(pool, TYPESCRIPT, prepared))
        found["memory of a waiting worker (PSS), MB"] = _pss(pool)
        found["from SIGKILL to the host's knowing, ms"] = await _median(rounds, lambda: _killed(pool))
    for ring, engine in (("1", "quickjs-ng"), ("2", "WithoutRing1"), ("3", "WithoutRings1And2")):
        found[f"ring {ring} acts after its deadline, ms"] = await _ring(ring, engine, max(3, rounds // 3))
    return found


async def _median(rounds: int, once: Callable[[], Awaitable[float]]) -> str:
    times = []
    for _ in range(rounds):
        await asyncio.sleep(0.01)
        times.append(await once())
    ordered = sorted(times)
    return f"{ordered[0]:.2f} / **{statistics.median(ordered):.2f}** / {ordered[-1]:.2f}"


def _cold(rounds: int, ground: str) -> str:
    """Measure processes that find their bytecode, as after an installation: the first one writes it."""
    paths = [str(ROOT / package) for package in ("harness", "tools", "kernel", "extension")]
    code = _COLD.format(paths=paths, ground=ground)
    pairs = []
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = bytecode
        for at in range(rounds + 1):
            said = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
            ).stdout
            if at > 0:
                pairs.append([float(part) * 1000 for part in said.split()])
    return " / ".join(f"**{statistics.median(pair[at] for pair in pairs):.0f}**" for at in (0, 1))


async def _timed(pool: Pool, source: str, prepared: str | None) -> float:
    began = time.perf_counter()
    async with pool.checkout() as session:
        await session.start(Start(source=source, prepared=prepared, last_expression=False, facade=()))
    return (time.perf_counter() - began) * 1000


async def _prepared(pool: Pool) -> str | None:
    async with pool.checkout() as session:
        return (await session.start(Start(source=TYPESCRIPT, prepared=None, last_expression=False, facade=()))).prepared


def _pss(pool: Pool) -> str:
    sizes = []
    for pid in pool.metrics()["pids"]:
        rollup = Path(f"/proc/{pid}/smaps_rollup")
        for line in rollup.read_text().splitlines() if rollup.exists() else ():
            if line.startswith("Pss:"):
                sizes.append(int(line.split()[1]) / 1024)
    return f"{statistics.median(sizes):.1f}" if sizes else "unknown"


async def _killed(pool: Pool) -> float:
    facade = (FacadeEntry(path=("f",)),)
    began = 0.0
    try:
        async with pool.checkout() as session:
            start = Start(source="", prepared="await tools.f({}); for (;;) {}", last_expression=False, facade=facade)
            await session.start(start)
            pid = session.worker.pid  # type: ignore[attr-defined]

            def kill() -> None:
                nonlocal began
                began = time.perf_counter()
                os.kill(pid, signal.SIGKILL)

            asyncio.get_running_loop().call_later(0.02, kill)
            await session.settle([Settlement(number=1, ok=True, value="1", time_ms=1)])
    except Exception:
        return (time.perf_counter() - began) * 1000
    raise AssertionError("the worker was not killed")


async def _ring(ring: str, engine: str, rounds: int) -> str:
    """Return how much later than its deadline in CPU time the script was over, in milliseconds of wall time."""
    deadline = {"1": RING_SECONDS, "2": 1.1 * RING_SECONDS, "3": 1.2 * RING_SECONDS + 0.25}[ring]
    path = engine if engine == "quickjs-ng" else f"tests.workers.unlimited:{engine}"
    limits = Limits(guest_seconds=RING_SECONDS)
    code = "for (;;) {}" if ring == "1" else "return new Array(1e9) + '';"
    async with Pool(limits, min_size=1, max_size=2, engine=path, grace_seconds=0.1) as pool:

        async def once() -> float:
            async with pool.checkout() as session:
                began = time.perf_counter()
                with contextlib.suppress(LimitExceeded):
                    await session.start(
                        Start(source=code, prepared=code, last_expression=False, facade=(), limits=limits)
                    )
                return (time.perf_counter() - began - deadline) * 1000

        return await _median(rounds, once)
