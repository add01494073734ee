"""Measures what recording costs, how long a replay of 1 000 calls takes, and what memory an audit of 100 MB needs.

Times are CPU time of all that takes part, so that a busy machine changes little; each is the median of several.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from toolscript.harness import Harness
from toolscript.journal.audit import audit
from toolscript.journal.codec import MAX_LINE
from toolscript.journal.records import CallRecord, EndRecord, LogRecord, MemoryJournal, OutputRecord, RunRecord
from toolscript.journal.writer import DiskJournal
from toolscript.limits import Limits
from toolscript.recovery.replay import replay
from toolscript.recovery.tape import Tape
from toolscript.registry.function import tool

CALLS = 1_000
ROUNDS = 7
BOUND_SECONDS = 1.0
BOUND_MS = 0.1
SOURCES = {
    "one after the other": f"for (let i = 0; i < {CALLS}; i++) await tools.echo({{value: i}}); return 1",
    "all at once": f"const n = Array.from({{length: {CALLS}}}, (_, i) => tools.echo({{value: i}}));"
    "return (await Promise.all(n)).length",
}


@tool(effect="read")
async def echo(value: int) -> int:
    return value


RUN = RunRecord(
    run_id="r-1", source="return 1", script_hash="0", origin="file", last_expression=False, params="{}", context="{}",
    store="{}", seed=1, time_ms=1_000, limits={}, allowed_tools=(), workspace="/", policy="never", digests={},
)  # fmt: skip
SECRETS = {f"TOKEN_{n}": f"secret-value-{n:04}" for n in range(10)}


def recording() -> bool:
    """Print what two records and a line of the console cost, a kilobyte of result among them, without fsync."""
    arguments, value = '{"path":"src/main.ts","limit":200}', '{"text":"' + "x" * 1_000 + '"}'
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(ROUNDS):
            journal = DiskJournal(Path(folder, f"{round_}.jsonl"), secrets=SECRETS)
            journal.write(RUN)
            began = time.process_time()
            for number in range(CALLS):
                journal.write(CallRecord(number=number, tool="readFile", arguments=arguments, line=3, time_ms=1))
                journal.write(EndRecord(number=number, ok=True, value=value, time_ms=2, status="succeeded"))
                journal.write(LogRecord(level="log", text="one line of the console"))
            costs.append((time.process_time() - began) * 1000 / CALLS)
            journal.close()
    median = statistics.median(costs)
    sys.stdout.write(f"journal: median {median:.4f} ms a call without fsync (at most {BOUND_MS} ms)\n")
    return median <= BOUND_MS


def auditing() -> bool:
    """Print the most memory that an audit of 100 MB held at once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "big.jsonl")
        journal = DiskJournal(path)
        journal.write(RUN)
        chunk = OutputRecord(number=1, stream="stdout", text="y" * 15_000)
        for _ in range(6_700):
            journal._append(chunk)
        journal.close()
        tracemalloc.start()
        began = time.process_time()
        entries = sum(1 for _ in audit(path))
        seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        size = path.stat().st_size
    sys.stdout.write(
        f"audit of {size / 1e6:.0f} MB: {entries} entries in {seconds:.1f} s (traced), at most {peak / 1e3:.0f} kB held "
        f"(a record may have {MAX_LINE / 1e6:.0f} MB)\n"
    )
    return size > 100_000_000 and peak <= 4 * MAX_LINE


async def main() -> bool:
    journals: dict[str, MemoryJournal] = {}
    fine = recording() & auditing()
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
    """Return the CPU seconds of a replay: this process's, and its worker's by the clock that the host reads."""
    workers = harness.pool.metrics()["pids"]
    began = time.process_time() + _spent(workers)
    again = await replay(tape, harness.pool)
    assert again.outcome == "same", again.divergence
    return time.process_time() + _spent(workers) - began


def _spent(pids: list[int]) -> float:
    """Return the CPU seconds of processes so far; those that are gone count nothing."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(not asyncio.run(main()))
