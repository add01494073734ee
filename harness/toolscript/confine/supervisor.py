"""Decides how commands come to life outside the host: a small process that forks a keeper for each.

It holds a socket to the host, inherits nothing of its environment, and at the host's end, however it comes,
ends everything that was ever started through it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time

from toolscript.confine import filters, keeper, process, processes, syscalls

CONTROL = 0
"""The descriptor on which the supervisor is given its socket to the host."""
LINGER_SECONDS = 8.0
_DESCRIPTORS = 4


def main() -> None:
    """Serve the host until it is gone. Runs as ``python -I -S`` in a neutral directory."""
    control = socket.socket(fileno=os.dup(CONTROL))
    control.set_inheritable(False)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, CONTROL)
    with contextlib.suppress(OSError):
        process.adopt_orphans()
    if syscalls.machine() is not None:
        # Compiled once here, inherited by every launcher.
        for network in (False, True):
            filters.compiled(network=network)
    # What is never freed need not be copied for each keeper.
    gc.freeze()
    gc.disable()
    Supervisor(control, _host_descriptor()).serve()


def _host_descriptor() -> int | None:
    """Return what becomes readable when the host dies, even while a fork of it keeps our socket open."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(os.getppid())
    except OSError:
        return None


class Supervisor:
    """Forks keepers, and ends what a killed keeper leaves behind."""

    def __init__(self, control: socket.socket, host: int | None) -> None:
        self._control = control
        self._host = host
        self._keepers: set[int] = set()

    def serve(self) -> None:
        """Fork a keeper for each command that the host sends; at its end, end them all."""
        wake, poke = os.pipe()
        os.set_blocking(poke, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        poll = select.poll()
        for descriptor in (self._control.fileno(), wake):
            poll.register(descriptor, select.POLLIN)
        if self._host is not None:
            poll.register(self._host, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if wake in ready:
                os.read(wake, 4096)
                self._reap()
            if self._host in ready or (self._control.fileno() in ready and not self._take()):
                break
        self._end()

    def _take(self) -> bool:
        """Fork the keeper of one command; returns False when the host is gone."""
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 1, _DESCRIPTORS, flags)
        except ConnectionError:
            return False
        if len(descriptors) == _DESCRIPTORS:
            self._fork(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return bool(data)

    def _fork(self, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        pid = os.fork()
        if pid:
            self._keepers.add(pid)
            return
        try:
            self._control.close()
            signal.set_wakeup_fd(-1)
            channel = socket.socket(fileno=descriptors[0])
            keeper.Keeper(channel, (descriptors[1], descriptors[2], descriptors[3]), self._host).run()
        except BaseException as error:
            sys.stderr.write(f"keeper: {error!r}\n")
            os._exit(1)
        os._exit(0)

    def _reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._keepers.discard(pid)
            # Whatever was not forked here came from a keeper that was killed before its processes.
            self._kill_adopted()

    def _kill_adopted(self) -> None:
        adopted = [pid for pid in processes.children(os.getpid()) if pid not in self._keepers]
        for pid in adopted:
            processes.send([pid, *processes.descendants(pid)], signal.SIGKILL)

    def _end(self) -> None:
        """Let the keepers sweep; then kill whatever is left."""
        self._control.close()
        # The host may be alive and hold their channels: it closed us, not them.
        processes.send(self._keepers, signal.SIGTERM)
        deadline = time.monotonic() + LINGER_SECONDS
        while self._keepers and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.005)
        while below := processes.descendants(os.getpid()):
            processes.send(below, signal.SIGKILL)
            self._keepers.clear()
            self._reap()
            if time.monotonic() > deadline + keeper.SWEEP_SECONDS:
                break
            time.sleep(0.005)
