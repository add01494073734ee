"""What root may is taken from a test, so that it meets the same closed doors as an ordinary user."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION = 0x20080522
_OVERRIDES = 0b110
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: to read and write whatever the modes of files say."""


@contextmanager
def ordinary() -> Iterator[None]:
    """Take from this thread what lets root read and write any file; programs that it starts have it again."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("Ii", _VERSION, 0))
    before = ctypes.create_string_buffer(24)
    assert libc.capget(header, before) == 0
    effective, *rest = struct.unpack("6I", before.raw)
    assert libc.capset(header, ctypes.create_string_buffer(struct.pack("6I", effective & ~_OVERRIDES, *rest))) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0
