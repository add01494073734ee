"""Decides how a worker learns how much memory it took of the system: what was never touched counts as well."""

from __future__ import annotations

import ctypes
import sys

_FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _Info(ctypes.Structure):
    """What the C library tells of its heaps; ``arena`` grows in small steps, ``hblkhd`` by each large block."""

    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS.split()]
    arena: int
    hblkhd: int


_info = getattr(ctypes.CDLL(None), "mallinfo2", None) if sys.platform == "linux" else None
if _info is not None:
    _info.restype = _Info


def taken() -> int:
    """Return the bytes that the C library holds; -1 where it does not tell: only that of GNU does, since 2.33."""
    if _info is None:
        return -1
    found: _Info = _info()
    return found.arena + found.hblkhd
