"""Measures how long the replay of a run of 1 000 calls takes; prints the median of several."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time

from toolscript.harness import Harness
from toolscript.journal.records import MemoryJournal
from toolscript.limits import Limits
from toolscript.recovery.replay import replay
from toolscript.recovery.tape import Tape
from toolscript.registry.function import tool

CALLS = 1_000
ROUNDS = 7
BOUND_SECONDS = 1.0
SOURCES = {
    "one after the other": f"for (let i = 0; i < {CALLS}; i++) await tools.echo({{value: i}}); return 1",
    "all at once": f"const n = Array.from({{length: {CALLS}}}, (_, i) => tools.echo({{value: i}}));"
    "return (await Promise.all(n)).length",
}


@tool(effect="read")
async def echo(value: int) -> int:
    return value


async def main() -> bool:
    journals: dict[str, MemoryJournal] = {}
    fine = True
    with tempfile.TemporaryDirectory() as workspace:
        harness = Harness(
            workspace, tools=[echo], limits=Limits(calls=CALLS),
            journals=lambda run_id: journals.setdefault(run_id, MemoryJournal()),
        )  # fmt: skip
        async with harness:
            for name, source in SOURCES.items():
                run = await harness.run(source)
                tape = Tape.read(journals[run.run_id].records)
                seconds = [await _timed(tape, harness) for _ in range(ROUNDS)]
                median = statistics.median(seconds)
                fine &= median <= BOUND_SECONDS
                sys.stdout.write(
                    f"replay of {CALLS} calls, {name}: median {median:.3f} s (at most {BOUND_SECONDS} s)\n"
                )
    return fine


async def _timed(tape: Tape, harness: Harness) -> float:
    began = time.perf_counter()
    again = await replay(tape, harness.pool)
    assert again.outcome == "same", again.divergence
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(not asyncio.run(main()))
