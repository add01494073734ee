"""Decides how the owner of runs is found: a locked token file and a socket beside it, for this user only."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from toolscript.errors import ConfigError, OwnerGone
from toolscript.journal.private import READ, private_dir, read_private
from toolscript.journal.state import interrupted, is_locked

SOCKET_PATH_BYTES = 100
"""Longer paths go through a directory descriptor; the kernel takes 107 bytes (103 on macOS)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process that runs scripts of a workspace, as its token file tells."""

    id: str
    pid: int
    token: str = field(repr=False)
    socket: Path
    alive: bool


def owners_dir(state: Path) -> Path:
    """Return where the owners of a workspace's runs leave their sockets."""
    return private_dir(state / "owners")


def owners(state: Path) -> tuple[Owner, ...]:
    """Return the owners that left a token file, dead ones included."""
    found = (_read(path) for path in sorted(owners_dir(state).glob("*.json")))
    return tuple(owner for owner in found if owner is not None)


def sweep_owners(state: Path) -> None:
    """Remove what owners left behind that were killed."""
    for owner in owners(state):
        if not owner.alive:
            owner.socket.unlink(missing_ok=True)
            owner.socket.with_suffix(".json").unlink(missing_ok=True)


def gone(state: Path, owner: str) -> OwnerGone:
    """Return the error for an owner that does not answer, with the command that goes on with its runs."""
    runs = [run.run_id for run in interrupted(state)]
    return OwnerGone(owner, f"toolscript resume {runs[0]}" if len(runs) == 1 else "toolscript resume")


@contextmanager
def registered(state: Path) -> Iterator[Owner]:
    """Leave a token file that is locked while the block runs, and take it away afterwards."""
    sweep_owners(state)
    name = secrets.token_hex(4)
    directory = owners_dir(state)
    token, path = secrets.token_hex(32), directory / f"{name}.json"
    half = directory / f".{name}.part"
    fd = os.open(half, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    owner = Owner(id=name, pid=os.getpid(), token=token, socket=directory / f"{name}.sock", alive=True)
    try:
        # Locked before it has its name: nobody ever sees it unlocked while its owner lives.
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, json.dumps({"v": 1, "pid": owner.pid, "token": token}).encode())
        half.rename(path)
        yield owner
    finally:
        for left in (owner.socket, path, half):
            with suppress(OSError):
                left.unlink(missing_ok=True)
        os.close(fd)


def _read(path: Path) -> Owner | None:
    try:
        data = json.loads(read_private(path))
        pid, token = int(data["pid"]), str(data["token"])
        alive = _locked(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # taken away in the meantime, or never one of ours
    return Owner(id=path.stem, pid=pid, token=token, socket=path.with_suffix(".sock"), alive=alive)


def _locked(path: Path) -> bool:
    fd = os.open(path, READ)
    try:
        return is_locked(fd)
    finally:
        os.close(fd)


@contextmanager
def address(path: Path) -> Iterator[str]:
    """Yield a spelling of a socket's path that is short enough to bind or connect to.

    Raises ConfigError where the system offers none.
    """
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        yield str(path)
        return
    through = Path("/proc/self/fd")
    if not through.is_dir():
        raise ConfigError(f"{path} is too long for a socket; set XDG_STATE_HOME to a shorter directory")
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"{through}/{fd}/{path.name}"
    finally:
        os.close(fd)


def peer_uid(sock: socket.socket) -> int:
    """Return the user at the other end of a Unix socket, as the kernel knows it."""
    if sys.platform == "darwin":
        # struct xucred: version, uid, …; at level SOL_LOCAL the option LOCAL_PEERCRED.
        data = sock.getsockopt(0, 1, 76)
        return int(struct.unpack_from("=II", data)[1])
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("=iII"))
    return int(struct.unpack("=iII", data)[1])


def is_this_user(sock: socket.socket) -> bool:
    """Say whether the process at the other end belongs to the user of this process."""
    return peer_uid(sock) == os.geteuid()
