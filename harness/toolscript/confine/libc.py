"""Decides how the kernel is called where Python has no function for it."""

from __future__ import annotations

import ctypes
import os
import sys

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform != "win32" else None

PR_SET_PDEATHSIG = 1
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
PR_GET_SECCOMP = 21
PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39


def checked(result: int, what: str) -> int:
    """Return a call's result; raises OSError, saying what failed, when it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None, what: str = "syscall") -> int:
    """Call the kernel by number; raises OSError. Integers are passed as 64-bit words."""
    if _libc is None:
        raise OSError(0, f"{what}: no such call on this system")
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return checked(int(_libc.syscall(ctypes.c_long(number), *words)), what)


def prctl(option: int, argument: int = 0, *, what: str = "prctl") -> int:
    """Change or ask for a trait of this process; raises OSError."""
    if sys.platform != "linux" or _libc is None:
        raise OSError(0, f"{what}: no such call on this system")
    rest = (ctypes.c_ulong(0),) * 3
    return checked(int(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), *rest)), what)


def int_buffer() -> ctypes.c_int:
    """Return room for an integer that the kernel fills in."""
    return ctypes.c_int(0)


def address(buffer: ctypes.c_int) -> int:
    """Return where the buffer lies, for calls that take an address as a number."""
    return ctypes.addressof(buffer)
