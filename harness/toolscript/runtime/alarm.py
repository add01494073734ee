"""Decides how a worker sets ring 2: a signal, deadly by default, after so much CPU time of its own.

By a POSIX timer on the process's CPU clock, the clock that rings 1 and 3 read. The older profiling timer counts in
ticks, which a busy machine may charge to whoever happens to run; it serves where there is no other.
"""

from __future__ import annotations

import ctypes
import signal
import struct
import sys

_CPU_CLOCK = 2  # CLOCK_PROCESS_CPUTIME_ID
_BY_SIGNAL = 0
_NANO = 1_000_000_000


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class CpuAlarm:
    """Ends this process by SIGPROF when it has computed for too long; made anew in each process."""

    def __init__(self) -> None:
        self._timer = ctypes.c_void_p()
        self._libc = _libc
        if self._libc is not None:
            event = ctypes.create_string_buffer(struct.pack("@qii", 0, signal.SIGPROF, _BY_SIGNAL), 64)
            if self._libc.timer_create(_CPU_CLOCK, event, ctypes.byref(self._timer)) != 0:
                self._libc = None

    @property
    def exact(self) -> bool:
        """Whether the alarm goes by the CPU clock itself."""
        return self._libc is not None

    def set(self, seconds: float) -> None:
        """Let the alarm go off after so much more CPU time; 0 takes it back."""
        if self._libc is None:
            signal.setitimer(signal.ITIMER_PROF, seconds)
            return
        whole, rest = divmod(int(seconds * _NANO), _NANO)
        self._libc.timer_settime(self._timer, 0, struct.pack("@qqqq", 0, 0, whole, rest), None)
