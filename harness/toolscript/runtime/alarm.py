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


if sys.platform == "linux":
    # Looked up and made here, once: each worker would do so anew, since nothing of that is made before its birth.
    _libc = ctypes.CDLL(None)
    _create, _settime = _libc.timer_create, _libc.timer_settime
    _event = ctypes.create_string_buffer(struct.pack("@qii", 0, signal.SIGPROF, _BY_SIGNAL), 64)


class CpuAlarm:
    """Ends this process by SIGPROF when it has computed for too long; made anew in each process."""

    def __init__(self) -> None:
        self._timer = ctypes.c_void_p()
        self._exact: bool = sys.platform == "linux" and _create(_CPU_CLOCK, _event, ctypes.byref(self._timer)) == 0

    @property
    def exact(self) -> bool:
        """Whether the alarm goes by the CPU clock itself."""
        return self._exact

    def set(self, seconds: float) -> None:
        """Let the alarm go off after so much more CPU time; 0 takes it back."""
        if not self._exact:
            signal.setitimer(signal.ITIMER_PROF, seconds)
            return
        whole, rest = divmod(int(seconds * _NANO), _NANO)
        _settime(self._timer, 0, struct.pack("@qqqq", 0, 0, whole, rest), None)
