"""Decides how a process is told from a later one with its pid, and which processes descend from another.

Runs in the supervisor, so it needs nothing but the standard library; without /proc it knows direct facts only.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from functools import cache

_PROC = "/proc"
_STATE, _PARENT, _START = 0, 1, 19
"""Positions in /proc/PID/stat counted from the field after the program's name."""


def _text(path: str) -> str:
    with open(path, encoding="latin-1") as file:
        return file.read()


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; empty when there is no such process."""
    try:
        text = _text(f"{_PROC}/{pid}/stat")
    except OSError:
        return []
    # The program's name may hold blanks and parentheses: what follows its last one is plain.
    return text[text.rindex(")") + 2 :].split()


def reaped() -> Iterator[tuple[int, int]]:
    """Yield pid and exit code (negative: the signal) of each child that has ended, and forget it; never waits."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def start_time(pid: int) -> int:
    """Return when a process began: clock ticks since boot, 0 where the platform does not say."""
    fields = _stat(pid)
    return int(fields[_START]) if fields else 0


def alive(pid: int) -> bool:
    """Say whether a process exists and is no zombie."""
    if traceable():
        fields = _stat(pid)
        return bool(fields) and fields[_STATE] not in "ZX"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@cache
def boot_id() -> str:
    """Return what names this boot of the machine, so that a pid of an earlier one is not believed."""
    try:
        return _text(f"{_PROC}/sys/kernel/random/boot_id").strip()
    except OSError:
        return _boot_session()


def _boot_session() -> str:
    import subprocess  # here, since workers' parent imports this too and its start must be short

    asked = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def children(pid: int) -> list[int]:
    """Return the direct children of a process, zombies included."""
    if not _children_files():
        return _children_by_scan(pid)
    found: list[int] = []
    try:
        for task in os.listdir(f"{_PROC}/{pid}/task"):
            with contextlib.suppress(OSError):
                found += map(int, _text(f"{_PROC}/{pid}/task/{task}/children").split())
    except OSError:
        # It is gone, and its children belong to another now.
        return found
    return found


@cache
def _children_files() -> bool:
    """Say whether this kernel lists the children of each process."""
    return os.path.exists(f"{_PROC}/self/task/{os.getpid()}/children")


def _children_by_scan(pid: int) -> list[int]:
    """Return the children of a process on kernels without ``children`` files."""
    found = []
    for name in os.listdir(_PROC) if os.path.isdir(_PROC) else ():
        if name.isdigit() and (fields := _stat(int(name))) and int(fields[_PARENT]) == pid:
            found.append(int(name))
    return found


def traceable() -> bool:
    """Say whether descendants can be found here at all (they are found in /proc)."""
    return os.path.exists(f"{_PROC}/self")


def descendants(pid: int) -> list[int]:
    """Return all living processes below one, parents before their children."""
    found: list[int] = []
    queue = children(pid)
    while queue:
        current = queue.pop(0)
        below = children(current)
        if below or alive(current):
            found.append(current)
        queue += below
    return found


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal each process; those that are gone or belong to somebody else are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def kill_groups(pids: Iterable[int]) -> None:
    """Kill the process groups that these processes are in, but for the caller's own."""
    groups = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            groups.add(os.getpgid(pid))
    for group in groups - {os.getpgrp()}:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
