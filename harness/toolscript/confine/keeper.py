"""Decides how one command is kept: started, watched, and ended with every process that came from it.

A keeper is forked from the supervisor for each command. It adopts whatever the command orphans, setsid'ed
processes too, and ends all of it when told so, or when the host is gone in any way.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from typing import Any

from toolscript.confine import launcher, process, processes, wire

DESCRIPTORS = 4
"""A command comes with its channel and its standard input, output and error."""
SWEEP_SECONDS = 5.0
"""How long processes may take to die of SIGKILL before they are reported as left."""
WATCH_SECONDS = 0.1


class Keeper:
    """Keeps one command; :meth:`run` returns when no process of it is left.

    A keeper may be forked before there is a command: it waits for one on ``intake``.
    """

    def __init__(self, intake: socket.socket, host: int | None) -> None:
        self._intake = intake
        self._host = host
        self._channel: socket.socket | None = None
        self._child = 0
        self._exited = False
        self._ending = False
        self._told = False
        self._limit = 0

    def run(self) -> None:
        """Wait for a command, start it as the host describes it, keep it, and end everything with it."""
        with contextlib.suppress(OSError):
            process.adopt_orphans()
        try:
            self._fork_launcher()
            if self._take():
                self._watch()
        finally:
            self._say(done=True, left=self._sweep())

    def _fork_launcher(self) -> None:
        """Fork before there is a command, so that the command need not wait for it."""
        self._orders, orders = socket.socketpair()
        self._report, report = os.pipe()
        me = os.getpid()
        self._child = os.fork()
        if self._child == 0:
            self._orders.close()
            self._intake.close()
            launcher.launch(orders, report, me)
        orders.close()
        os.close(report)

    def _take(self) -> bool:
        """Pass the next command on to the launcher; returns False when there will be none."""
        descriptors = wire.receive_descriptors(self._intake, DESCRIPTORS)
        self._intake.close()
        if not descriptors:
            return False
        self._channel = socket.socket(fileno=descriptors[0])
        message = wire.receive(self._channel)
        if message is None:
            return False
        self._limit = message["max_processes"]
        socket.send_fds(self._orders, [wire.LAUNCH], descriptors[1:])
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        self._orders.sendall(wire.encode(message))
        return True

    def _watch(self) -> None:
        assert self._channel is not None
        wake, poke = os.pipe()
        os.set_blocking(poke, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, self._told_to_end)
        poll = select.poll()
        for descriptor in (self._channel.fileno(), wake, self._report):
            poll.register(descriptor, select.POLLIN)
        if self._host is not None:
            poll.register(self._host, select.POLLIN)
        self._reap()
        while not self._over():
            ready = {descriptor for descriptor, _ in poll.poll(WATCH_SECONDS * 1000 if self._limit else None)}
            if wake in ready:
                os.read(wake, 4096)
                self._reap()
            if self._told:
                return
            if self._report in ready and not self._hear_launcher():
                poll.unregister(self._report)
            if self._host in ready or (self._channel.fileno() in ready and not self._obey()):
                return
            self._count()

    def _told_to_end(self, number: int, frame: object) -> None:
        self._told = True

    def _over(self) -> bool:
        return self._ending and not processes.descendants(os.getpid())

    def _hear_launcher(self) -> bool:
        """Pass on what the launcher says; returns False when it has become the command (or is gone)."""
        data = os.read(self._report, 65536)
        if data == launcher.READY:
            self._say(pid=self._child, start_time=processes.start_time(self._child), boot_id=processes.boot_id())
        elif data:
            self._say(failed=json.loads(data.removeprefix(launcher.READY)))
        return bool(data)

    def _obey(self) -> bool:
        """Do what the host says; returns False when all must end now."""
        assert self._channel is not None
        orders = self._channel.recv(64)
        if not orders or wire.KILL in orders:
            return False
        if wire.GO in orders:
            self._orders.sendall(wire.GO)
        if wire.TERMINATE in orders:
            self._ending = True
            below = processes.descendants(os.getpid())
            processes.send(below, signal.SIGTERM)
            # A stopped process meets SIGTERM only when it goes on.
            processes.send(below, signal.SIGCONT)
            if not processes.traceable():
                self._signal_group(signal.SIGTERM)
        return True

    def _reap(self) -> None:
        for pid, code in processes.reaped():
            if pid == self._child:
                self._exited = True
                # Why it ended comes before that it ended, whichever was noticed first.
                while self._hear_launcher():
                    pass
                self._say(exit=code)

    def _count(self) -> None:
        """End a command that has more processes than it may: nothing else stops root's fork bombs."""
        if self._limit and len(processes.descendants(os.getpid())) > self._limit:
            self._limit = 0
            self._say(too_many=True)
            self._sweep()
            self._reap()

    def _sweep(self) -> list[int]:
        """Kill everything below, and return what did not die."""
        deadline = time.monotonic() + SWEEP_SECONDS
        me = os.getpid()
        if self._child and not (self._exited and processes.traceable()):
            self._signal_group(signal.SIGKILL)
        while below := processes.descendants(me):
            # A group dies at once, even one that forks faster than we look; what has left its group is stopped first.
            processes.kill_groups(below)
            processes.send(below, signal.SIGSTOP)
            processes.send(below, signal.SIGKILL)
            self._reap()
            if time.monotonic() > deadline:
                return below
            time.sleep(0.001)
        self._reap()
        return []

    def _signal_group(self, number: signal.Signals) -> None:
        # One call reaches a whole group at once, even one that forks all the time.
        try:
            os.killpg(self._child, number)
        except (ProcessLookupError, PermissionError):
            return

    def _say(self, **message: Any) -> None:
        if self._channel is None:
            return
        try:
            self._channel.sendall(wire.encode(message))
        except OSError:
            # The host is gone: nobody is left to tell.
            return
