"""Decides how a command's view of the files differs from the host's: most of it read-only, some of it hidden."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from toolscript.confine import libc, syscalls
from toolscript.confine.wire import Confinement

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT = 1, 2, 4, 8, 32
_BIND, _REC, _SLAVE = 0x1000, 0x4000, 0x80000
_RELATIME = 1 << 21
_KEPT = (1, 2, 4, 8, 1024, 2048)
"""Flags that a mount has and a remount must repeat; statvfs and mount give them the same numbers."""
_STATVFS_RELATIME = 4096
_HERE, _RECURSIVE, _ATTR_RDONLY = -100, 0x8000, 1

_PROBE = """
import ctypes, sys
libc = ctypes.CDLL(None)
done = libc.unshare(0x20000) == 0 and libc.mount(None, b"/", None, 0x84000, None) == 0
sys.exit(0 if done and libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 1, None) == 0 else 1)
"""


@cache
def privileged() -> bool:
    """Say whether this process may make mount namespaces without a user namespace; tried in a fresh process."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    probe = [sys.executable, "-I", "-S", "-c", _PROBE]
    try:
        return subprocess.run(probe, cwd="/", env={}, timeout=10, check=False, capture_output=True).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def enter(confinement: Confinement) -> None:
    """Give this process a view of its own of the files: writable, hidden and frozen as the confinement says.

    Landlock alone would let the owner of a file outside change its mode and times.
    """
    if confinement.user_namespace:
        _enter_user_namespace()
    else:
        _call("unshare", _NEWNS)
    # What the host mounts from now on still appears; what is mounted here appears nowhere else.
    _mount(None, "/", None, _REC | _SLAVE)
    _make_read_only_but(outermost(confinement.writable))
    for path in confinement.hidden:
        _hide(path)
    for path in confinement.pinned:
        _mount(path, path, None, _BIND | _REC)
    for path in confinement.frozen:
        _freeze(path)


def hide(paths: Iterable[str]) -> None:
    """Give this process a view of its own of the files, in which only these are missing."""
    _call("unshare", _NEWNS)
    _mount(None, "/", None, _REC | _SLAVE)
    for path in paths:
        _hide(path)


def _enter_user_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _NEWUSER | _NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path(f"/proc/self/{name}").write_text(text)


def outermost(paths: Iterable[str]) -> list[str]:
    """Return the paths that lie in no other: a mount in a mount would keep files from being renamed across."""
    every = {Path(path) for path in paths if Path(path).exists()}
    return sorted(str(path) for path in every if not every.intersection(path.parents))


def _make_read_only_but(writable: Iterable[str]) -> None:
    kept = tuple(writable)
    for path in kept:
        _mount(path, path, None, _BIND | _REC)
    # What was read-only before stays so: the kernel would refuse to change it back.
    reopened = [point for point in _mount_points() if _within(point, kept) and not os.statvfs(point).f_flag & _RDONLY]
    _set_attributes("/", _RECURSIVE, added=_ATTR_RDONLY)
    for point in reopened:
        _set_attributes(point, 0, removed=_ATTR_RDONLY)


def _mount_points() -> list[str]:
    """Return where something is mounted, as this process sees it."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    return list(dict.fromkeys(_unescaped(line.split(" ")[4]) for line in lines))


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def _within(point: str, directories: Iterable[str]) -> bool:
    return any(Path(point).is_relative_to(directory) for directory in directories)


def _set_attributes(path: str, flags: int, *, added: int = 0, removed: int = 0) -> None:
    attributes = struct.pack("=QQQQ", added, removed, 0, 0)
    _call("mount_setattr", _HERE, os.fsencode(path), flags, attributes, len(attributes))


def _hide(path: str) -> None:
    if Path(path).is_dir():
        _mount("tmpfs", path, "tmpfs", _RDONLY | _NOSUID | _NODEV | _NOEXEC, "size=4k,mode=0")
    elif Path(path).exists():
        _mount(os.devnull, path, None, _BIND)


def _freeze(path: str) -> None:
    try:
        flags = os.statvfs(path).f_flag
    except FileNotFoundError:
        return
    _mount(path, path, None, _BIND | _REC)
    kept = sum(flag for flag in _KEPT if flags & flag) | (_RELATIME if flags & _STATVFS_RELATIME else 0)
    _mount(None, path, None, _BIND | _REMOUNT | _RDONLY | kept)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    try:
        _call("mount", texts[0], texts[1], texts[2], flags, texts[3])
    except OSError as error:
        error.filename = target
        raise


def _call(name: str, *arguments: int | bytes | None) -> None:
    arch = syscalls.machine()
    number = syscalls.number(name, arch) if arch else None
    if number is None:
        raise OSError(38, f"{name}: unknown processor")
    libc.syscall(number, *arguments, what=name)
