"""Decides which processes of a dead host still run, and ends them: only those that are surely the recorded ones."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable

from toolscript.confine import processes
from toolscript.journal.records import StartedRecord

WAIT_SECONDS = 5.0
LOOK_SECONDS = 0.02


def end_leftovers(started: Iterable[StartedRecord]) -> tuple[int, ...]:
    """Kill the recorded commands that still run, with their groups and descendants; returns the pids that live on.

    Blocks for up to five seconds. A pid counts only with its start time in this boot: where the platform does not
    tell start times, nothing is killed.
    """
    found: set[int] = set()
    for record in started:
        if _is_same(record):
            pids = [record.pid, *processes.descendants(record.pid)]
            processes.kill_groups(pids)
            processes.send(pids, signal.SIGKILL)
            found.update(pids)
    deadline = time.monotonic() + WAIT_SECONDS
    while (left := tuple(pid for pid in found if processes.alive(pid))) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return left


def _is_same(record: StartedRecord) -> bool:
    if record.boot_id != processes.boot_id() or not record.start_time:
        return False
    return processes.start_time(record.pid) == record.start_time and processes.alive(record.pid)
