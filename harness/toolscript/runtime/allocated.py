"""Decides how a process learns how much memory its C library has handed out, fast enough to ask after each script."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

_FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS.split()]


def _asks() -> Callable[[], _Info] | None:
    ask = getattr(ctypes.CDLL(None), "mallinfo2", None) if sys.platform == "linux" else None
    if ask is not None:
        ask.restype = _Info
    return ask


_ask = _asks()


def allocated() -> int | None:
    """Return the bytes in use, those mapped for single large pieces included; None where the library cannot say."""
    if _ask is None:
        return None
    info = _ask()
    used: int = info.uordblks + info.hblkhd
    return used
