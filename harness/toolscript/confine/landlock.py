"""Decides which files and ports a process can still reach, by Landlock: all is denied but what is named."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from enum import IntFlag
from typing import TYPE_CHECKING

from toolscript.confine import libc, syscalls
from toolscript.confine.process import no_new_privileges

if TYPE_CHECKING:
    from pathlib import Path

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_TCP = {"bind": 1, "connect": 2}


class Access(IntFlag):
    """The kernel's file rights."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


READ = Access.READ_FILE | Access.READ_DIR
RUN = READ | Access.EXECUTE
WRITE = (
    RUN
    | Access.WRITE_FILE | Access.REMOVE_DIR | Access.REMOVE_FILE | Access.MAKE_DIR | Access.MAKE_REG
    | Access.MAKE_SOCK | Access.MAKE_FIFO | Access.MAKE_SYM | Access.REFER | Access.TRUNCATE
)  # fmt: skip
DEVICE = Access.READ_FILE | Access.WRITE_FILE | Access.TRUNCATE | Access.IOCTL_DEV
"""For character devices such as /dev/null and /dev/tty."""
_FOR_FILES = (
    Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE | Access.IOCTL_DEV
)  # the kernel refuses the other rights in a rule on anything but a directory


def abi() -> int:
    """Return the version of Landlock that this kernel speaks, 0 for none."""
    if syscalls.machine() is None:
        return 0
    try:
        return libc.syscall(_CREATE, None, 0, _VERSION, what="landlock")
    except OSError:
        return 0


def handled(version: int) -> Access:
    """Return the file rights that a version of Landlock can hold back."""
    rights = Access((1 << 13) - 1)
    for needed, right in ((2, Access.REFER), (3, Access.TRUNCATE), (5, Access.IOCTL_DEV)):
        if version >= needed:
            rights |= right
    return rights


def restrict(
    allowed: Iterable[tuple[Path, Access]] = (),
    *,
    tcp_connect: Iterable[int] | None = (),
    tcp_bind: Iterable[int] | None = (),
    isolate: bool = True,
    only: Access | None = None,
) -> tuple[str, ...]:
    """Hold this thread, and all it starts, to these paths (and below) and TCP ports, for good.

    Returns what this kernel's version could not hold back: ``truncate``, ``refer``, ``tcp``, ``scopes``,
    ``ioctl``. Paths that do not exist are skipped. Ports of None leave TCP alone; UDP and Unix sockets are not
    Landlock's (see seccomp). ``isolate`` denies abstract Unix sockets and signals that leave the sandbox.
    ``only`` holds back just these rights and leaves the others alone. Raises OSError where there is no Landlock.
    """
    version = abi()
    rights = handled(version) & (only if only is not None else ~Access(0))
    ports = {"bind": tcp_bind, "connect": tcp_connect} if version >= 4 else {}
    net = sum(bit for name, bit in _TCP.items() if ports.get(name) is not None)
    scopes = 3 if isolate and version >= 6 else 0
    attributes = struct.pack("=QQQ", rights, net, scopes)[: _size(version)]
    ruleset = libc.syscall(_CREATE, attributes, len(attributes), 0, what="landlock")
    try:
        for path, access in allowed:
            _allow_path(ruleset, path, access & rights)
        for name, listed in ports.items():
            for port in listed or ():
                _add(ruleset, _NET_PORT, struct.pack("=QQ", _TCP[name], port))
        no_new_privileges()
        libc.syscall(_RESTRICT, ruleset, 0, what="landlock")
    finally:
        os.close(ruleset)
    return _beyond(version, tcp=tcp_connect is not None or tcp_bind is not None, isolate=isolate)


def _size(version: int) -> int:
    return 24 if version >= 6 else 16 if version >= 4 else 8


def _beyond(version: int, *, tcp: bool, isolate: bool) -> tuple[str, ...]:
    needs = {"refer": 2, "truncate": 3, "ioctl": 5} | ({"tcp": 4} if tcp else {}) | ({"scopes": 6} if isolate else {})
    return tuple(name for name, needed in needs.items() if version < needed)


def _allow_path(ruleset: int, path: Path, access: Access) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            access &= _FOR_FILES
        if access:
            _add(ruleset, _PATH_BENEATH, struct.pack("=Qi", access, fd))
    finally:
        os.close(fd)


def _add(ruleset: int, kind: int, attributes: bytes) -> None:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    libc.syscall(_ADD_RULE, ruleset, kind, buffer, 0, what="landlock rule")
