"""Decides how commands come to life outside the host: a small process that forks a keeper for each.

It holds a socket to the host, inherits nothing of its environment, and at the host's end, however it comes,
ends everything that was ever started through it. What ends it takes nothing along: a warden stands above.
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
from collections.abc import Sequence

from toolscript.confine import filters, keeper, process, processes, syscalls, warden, wire

CONTROL = 0
"""The descriptor on which the supervisor is given its socket to the host."""
LINGER_SECONDS = 8.0
IDLE_MILLISECONDS = 20


def main() -> None:
    """Serve the host until it is gone. Runs as ``python -I -S`` in a neutral directory."""
    host, roll = _host_descriptor(), warden.Roll()
    gc.freeze()
    warden.divide(roll)
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
    Supervisor(control, host, roll).serve()


def _host_descriptor() -> int | None:
    """Return what becomes readable when the host dies, even while a fork of it keeps our socket open."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(os.getppid())
    except OSError:
        return None


class Supervisor:
    """Forks keepers, one ahead of need, and ends what a killed keeper leaves behind."""

    def __init__(self, control: socket.socket, host: int | None, roll: warden.Roll) -> None:
        self._control = control
        self._roll = roll
        self._host = host
        self._keepers: set[int] = set()
        self._spare: socket.socket | None = None

    def serve(self) -> None:
        """Give each command that the host sends to a keeper; at the host's end, end them all."""
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
            # The next keeper is forked when there is nothing else to do: a fork slows the command that starts.
            ready = {descriptor for descriptor, _ in poll.poll(None if self._spare else IDLE_MILLISECONDS)}
            if wake in ready:
                os.read(wake, 4096)
                self._reap()
            if self._host in ready or (self._control.fileno() in ready and not self._take()):
                break
            if not ready and self._spare is None:
                with contextlib.suppress(OSError):
                    self._spare = self._fork()
        self._end()

    def _take(self) -> bool:
        """Give one command to a keeper; returns False when the host is gone."""
        descriptors = wire.receive_descriptors(self._control, keeper.DESCRIPTORS)
        if descriptors is None:
            return False
        with contextlib.suppress(OSError):
            # Without a process for it the command cannot be; its channel closes, and the host says so.
            self._give(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _give(self, descriptors: list[int]) -> None:
        while True:
            intake = self._spare or self._fork(descriptors)
            fresh, self._spare = self._spare is None, None
            with intake:
                try:
                    socket.send_fds(intake, [wire.LAUNCH], descriptors)
                except OSError:
                    # A spare may have been killed while it waited.
                    if not fresh:
                        continue
            return

    def _fork(self, held: Sequence[int] = ()) -> socket.socket:
        """Fork a keeper, without the descriptors held here, and return the socket on which it waits."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid:
            theirs.close()
            self._keepers.add(pid)
            self._roll.write(self._keepers)
            return ours
        try:
            ours.close()
            for descriptor in held:
                os.close(descriptor)
            self._control.close()
            signal.set_wakeup_fd(-1)
            keeper.Keeper(theirs, self._host).run()
        except BaseException as error:
            sys.stderr.write(f"keeper: {error!r}\n")
            os._exit(1)
        os._exit(0)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                # A keeper that stands still would keep its command from being ended.
                processes.send([pid], signal.SIGCONT)
                continue
            self._keepers.discard(pid)
            self._roll.write(self._keepers)
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
