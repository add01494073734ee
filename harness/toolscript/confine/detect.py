"""Decides what this machine's operating system can hold, by trying it, never by guessing from versions."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from toolscript.confine import landlock, libc, seccomp

_PROBE_SECONDS = 10

# Runs alone in a fresh process, since a namespace once entered cannot be left.
_NAMESPACES = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
uid, gid = os.getuid(), os.getgid()
def entered(flags):
    return libc.unshare(flags) == 0
def mapped():
    try:
        for name, text in ("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1"):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    except OSError:
        return False
    return True
user = entered(0x10000000) and mapped()
mount = user and entered(0x00020000) and libc.mount(b"none", b"/", None, 0x44000, None) == 0 \\
    and libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None) == 0
print(int(user), int(mount))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the operating system offers for confinement.

    ``landlock`` is its version (0: none); ``mount_namespaces`` are those an ordinary user can make and mount in;
    ``bubblewrap`` is the program's path where it really works.
    """

    system: str
    landlock: int
    seccomp: bool
    user_namespaces: bool
    mount_namespaces: bool
    bubblewrap: Path | None
    subreaper: bool
    pidfd: bool

    def missing(self) -> dict[str, str]:
        """Return what is not there, each with what that means for the person who reads it."""
        meanings = {
            "landlock": "files are kept from scripts and commands by other means only (Linux 5.13 or newer has it)",
            "seccomp": "system calls cannot be filtered: a breach of the engine meets rlimits and Landlock only",
            "user_namespaces": "directories cannot be hidden from commands by namespaces",
            "mount_namespaces": "secret directories are hidden by rules on their siblings; ancestors cannot be listed",
            "bubblewrap": "install bubblewrap, or allow unprivileged user namespaces, for the strongest confinement",
            "subreaper": "processes that leave their group may outlive their command",
            "pidfd": "processes are signalled by number",
        }
        return {name: text for name, text in meanings.items() if not getattr(self, name)}


@cache
def detect() -> Capabilities:
    """Return what this machine can confine; tried once in a process's life (about 50 ms)."""
    user, mount = _namespaces()
    return Capabilities(
        system=sys.platform,
        landlock=landlock.abi(),
        seccomp=seccomp.supported(),
        user_namespaces=user,
        mount_namespaces=mount,
        bubblewrap=_bubblewrap(),
        subreaper=_subreaper(),
        pidfd=_pidfd(),
    )


def _namespaces() -> tuple[bool, bool]:
    if sys.platform != "linux":
        return False, False
    said = _output([sys.executable, "-I", "-S", "-c", _NAMESPACES])
    user, mount, *_ = (*said.split(), "0", "0")
    return user == "1", mount == "1"


def _bubblewrap() -> Path | None:
    import shutil

    found = shutil.which("bwrap")
    if found is None:
        return None
    inside = [found, "--ro-bind", "/", "/", "--unshare-pid", "--die-with-parent", "--", "/bin/sh", "-c", "echo in"]
    return Path(found) if _output(inside).strip() == "in" else None


def _output(command: list[str]) -> str:
    import subprocess  # here, since workers import this room too and their start must be short

    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PROBE_SECONDS, cwd="/", check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _subreaper() -> bool:
    buffer = libc.int_buffer()
    try:
        libc.prctl(libc.PR_GET_CHILD_SUBREAPER, libc.address(buffer))
    except OSError:
        return False
    return True


def _pidfd() -> bool:
    if not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True
