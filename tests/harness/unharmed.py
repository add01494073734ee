"""Looks at a host before and after something was done to it: nothing of it may be left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path

import anyio

from toolscript.confine.processes import descendants
from toolscript.harness import Harness
from toolscript.run import Run


def held(harness: Harness) -> tuple[int, int, list[str]]:
    """Return descriptors, tasks, and what processes run; without workers, and journals that lie ready."""
    open_files = [link for link in links() if "/.spare-" not in link]
    # The supervisor of commands keeps a few launchers ready, now more and now less: kinds count, not numbers.
    zygote = harness.pool._nursery.pid
    others = set(descendants(os.getpid())) - {zygote, *descendants(zygote)}
    return (
        len(open_files) - 2 * harness.metrics()["pool"]["idle"],
        len(asyncio.all_tasks()),
        sorted(set(map(command, others))),
    )


def links() -> list[str]:
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return found


def command(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def at_rest(harness: Harness) -> bool:
    pool = harness.metrics()["pool"]
    # Workers that have served are closed a moment later.
    return not (pool["starting"] or pool["busy"] or harness.pool._spent) and pool["idle"] >= 1


def files(harness: Harness) -> dict[str, str]:
    return {str(p): p.read_text() for p in sorted(harness.workspace.parent.rglob("*")) if p.is_file()}


class Unharmed:
    """Looks at the host before and after: nothing is new, nothing is gone, the next script runs on its own."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness

    async def __aenter__(self) -> Unharmed:
        self.before = None
        with anyio.fail_after(20):
            # What was done before this, and here alone what the fixture did, may still be settling.
            while not at_rest(self.harness) or held(self.harness) != self.before:
                self.before = held(self.harness)
                await anyio.sleep(0.02)
        self.files = files(self.harness)
        return self

    async def __aexit__(self, kind, error, trace) -> None:
        if kind is not None:
            return
        after = await self.harness.run("return [typeof bag, typeof later, 'next'];")
        assert after.result == ["undefined", "undefined", "next"], after.error
        await self._until(lambda: at_rest(self.harness) and held(self.harness) == self.before)
        assert files(self.harness) == self.files

    async def _until(self, condition) -> None:
        with anyio.move_on_after(20):
            while not condition():
                await anyio.sleep(0.005)
            return  # not looked at twice: a thread may be making the next spare file
        now, spent = held(self.harness), len(self.harness.pool._spent)
        raise AssertionError(
            (now[:2], self.before[:2], set(now[2]) ^ set(self.before[2]), spent, self.harness.metrics())
        )


def told(harness: Harness, run: Run) -> str:
    """Return all that anybody is told of a run: its events, its result and its journal."""
    journal = harness.state / "runs" / f"{run.run_id}.jsonl"
    events = "".join(event.model_dump_json() for event in run.events)
    return events + json.dumps(run.to_json()) + (journal.read_text() if journal.exists() else "")
