"""Decides how a process gives up, for good, what it could still gain: privileges, dumps, files, orphanhood."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Iterable

from toolscript.confine import syscalls
from toolscript.confine.libc import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    prctl,
    syscall,
)

_CAPABILITY_VERSION = 0x20080522


def no_new_privileges() -> None:
    """Make set-uid programs powerless for this process and its children; Landlock and seccomp need it."""
    prctl(PR_SET_NO_NEW_PRIVS, 1, what="no_new_privs")


def drop_capabilities() -> None:
    """Give up what root may do beyond other users, for this process and, with no_new_privs, its children."""
    arch = syscalls.machine()
    if arch is None:
        raise OSError(0, "capabilities: unknown processor")
    number = syscalls.number("capset", arch)
    assert number is not None
    header = struct.pack("=II", _CAPABILITY_VERSION, 0)
    syscall(number, header, bytes(24), what="drop capabilities")


def undumpable() -> None:
    """Leave no core dumps, and let no process of the same user look into this one."""
    prctl(PR_SET_DUMPABLE, 0, what="undumpable")


def die_with_parent(sent: signal.Signals = signal.SIGKILL, *, parent: int | None = None) -> None:
    """Be killed when the thread that started this process ends; it does not reach grandchildren.

    ``parent`` is the pid that the parent is known to have: if it has died before, this process ends at once.
    """
    prctl(PR_SET_PDEATHSIG, sent, what="parent death signal")
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), sent)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends (child subreaper)."""
    prctl(PR_SET_CHILD_SUBREAPER, 1, what="child subreaper")


def close_all_but(kept: Iterable[int]) -> None:
    """Close every file descriptor except these."""
    low = 0
    for fd in sorted(set(kept)):
        os.closerange(low, fd)
        low = fd + 1
    # The kernel's own bound, so that descriptors above the soft limit are closed too; one system call.
    os.closerange(low, 2**31 - 1)
