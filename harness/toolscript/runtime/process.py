"""Decides what the host knows of one worker process, and how it ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from toolscript.errors import (
    GuestTimeExceeded,
    HeapExceeded,
    ToolscriptError,
    WorkerCrashed,
)
from toolscript.runtime.control import OUT_OF_MEMORY, RING_2
from toolscript.runtime.link import Link
from toolscript.runtime.session import Start
from toolscript.runtime.wire import encode_rouse

if TYPE_CHECKING:
    from toolscript.limits import Limits

_OUT_OF_TIME = {-signal.SIGPROF, -signal.SIGXCPU}
_DEATH_SECONDS = 5.0
MOST_ROUSED = 8
"""How often a worker is roused for scripts that do not come: each time takes a little of the CPU time that it has."""
ROUSE = encode_rouse(Start(source="return 1;", prepared="return 1;", last_expression=False, facade=()))


class WorkerProcess:
    """One worker: its link, its pid, and its CPU clock. Not a child of ours: the zygote tells when it has ended."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.pid = 0
        self.uses = 0
        self.roused = 0
        """How often since its last script."""
        self.kept_off = -1
        """The processor that it may not run on; -1 where it may run on all."""
        self.furnished = ""
        self.idle_since = 0.0
        self.missing: tuple[str, ...] = ()
        self._pidfd: int | None = None
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._kill_by_number: Callable[[int], None] = lambda pid: None

    def born(self, pid: int, pidfd: int | None, kill_by_number: Callable[[int], None]) -> None:
        """The zygote says which process it is."""
        self.pid, self._pidfd, self._kill_by_number = pid, pidfd, kill_by_number

    def ended(self, status: int) -> None:
        """The zygote says that it has ended, with its exit code or minus its signal."""
        if not self._ended.done():
            self._ended.set_result(status)

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to be gone."""
        return self._ended.done()

    def rouse(self) -> None:
        """Have it get ready for a script that is about to come; not for ever anew, should none come."""
        if self.roused < MOST_ROUSED:
            self.roused += 1
            self.link.send(ROUSE)

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process has used in its life; 0 where it cannot be asked (any more)."""
        if sys.platform != "linux" or not self.pid:
            return 0.0
        try:
            return time.clock_gettime((~self.pid << 3) | 2)  # the kernel's number for another process's clock
        except OSError:
            return 0.0

    def kill(self) -> None:
        """End the process at once, whatever it does; works on stopped processes, harmless when it is gone."""
        if self._ended.done() or not self.pid:
            return
        with contextlib.suppress(ProcessLookupError):
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            else:
                self._kill_by_number(self.pid)

    def close(self) -> None:
        """Kill the process and free what the host holds of it."""
        self.kill()
        self.link.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    async def death(self, limits: Limits) -> ToolscriptError:
        """Return the error that tells why the process hung up."""
        try:
            async with asyncio.timeout(_DEATH_SECONDS):
                status = await asyncio.shield(self._ended)
        except TimeoutError:
            return WorkerCrashed("the worker closed its connection and did not end")
        return _told(status, limits)


def _told(status: int, limits: Limits) -> ToolscriptError:
    if status in _OUT_OF_TIME:
        used = round(RING_2 * limits.guest_seconds, 3)
        return GuestTimeExceeded(limits.guest_seconds, used, note="the engine could not be interrupted")
    if status == OUT_OF_MEMORY:
        return HeapExceeded(limits.heap_bytes, limits.heap_bytes, note="the worker's memory was full")
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
        return WorkerCrashed(f"the worker was ended by {name}", details={"signal": name})
    return WorkerCrashed(f"the worker ended with status {status}", details={"status": status})
