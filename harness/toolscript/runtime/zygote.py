"""Decides how workers come to be: forked from one process that has everything loaded and nothing to lose.

Started by exec with an empty environment, so it never saw a secret. Speaks with the host over one socket: a byte
and a descriptor ask for a worker; answers tell pids, and ends of workers. When the host goes, all go.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from toolscript.confine import processes
from toolscript.runtime import sandbox
from toolscript.runtime.control import ANSWER, ENDED, FORK, FURNISH, HELLO, LENGTH, REFUSED, SPAWNED
from toolscript.runtime.engine import Engine
from toolscript.runtime.frames import Kind, encode
from toolscript.runtime.prefault import Populate
from toolscript.runtime.rehearsal import Lock, Rehearsal
from toolscript.runtime.rehearsed import FACADE, practise
from toolscript.runtime.worker import Connection, serve

_FAMILY, _STREAM = int(socket.AF_UNIX), int(socket.SOCK_STREAM)
_READY = encode(Kind.READY, [b"[]"])


class Prepared:
    """Hands out engines: first those made before the fork, shared with all siblings until written to."""

    def __init__(self, make: Callable[[], Engine], count: int) -> None:
        self._make = make
        self._ready = [make() for _ in range(count)]
        self._facade = ""

    def __call__(self) -> Engine:
        """Return an engine that no script has touched."""
        if self._ready:
            return self._ready.pop()
        engine = self._make()
        if self._facade:
            engine.furnish(self._facade)
        return engine

    def furnish(self, facade: str) -> None:
        """Lay out the tools in all that are ready, and in those to come."""
        self._facade = facade
        for engine in self._ready:
            engine.furnish(facade)


def main(control: socket.socket, settings: dict[str, Any]) -> None:
    """Prepare, give up what is not needed, and serve until the host hangs up."""
    engine, blank = _load(settings["engine"]), _load(settings["blank"])
    engines = Prepared(engine, settings["prepared"])
    if getattr(engine, "reserves_memory", False):
        settings["address_space"] = None
    settings["facade"] = settings["facade"] or FACADE
    engines.furnish(settings["facade"])
    blank("const warm: number = 1;", last_expression=False)
    _Zygote(control, engines, blank, settings).run()


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


class _Zygote:
    def __init__(self, control: socket.socket, engines: Prepared, blank: Any, settings: dict[str, Any]) -> None:
        self._control = control
        self._engines = engines
        self._blank = blank
        self._pid = os.getpid()
        self._lock = sandbox.WorkerLock(zygote=self._pid, cpu_seconds=settings["cpu_seconds"])
        # Nothing is collected from here on: a collection in a child would touch, and so copy, every page.
        gc.collect()
        gc.freeze()
        gc.disable()
        self._uses = settings["uses"]
        self._facade = settings["facade"]
        self._cpu_seconds = settings["cpu_seconds"]
        self._wake, wake = socket.socketpair()
        wake.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._kept_open = wake
        self._rehearsal: Rehearsal | None = None
        self._populate: tuple[Populate, ...] = ()
        if sys.platform == "linux":
            self._rehearse()
        self._missing = sandbox.lock_zygote(address_space=settings["address_space"])
        if self._rehearsal is not None:
            self._populate, self._rehearsal = self._rehearsal.learned(), None

    def run(self) -> None:
        self._answer(HELLO, self._pid, 0, json.dumps(self._missing))
        while True:
            ready, _, _ = select.select([self._control, self._wake], [], [])
            if self._wake in ready:
                self._wake.recv(4096)
                self._reap()
            if self._control in ready and not self._serve():
                return

    def _serve(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._control, 1, 1)
        if not data:
            return False
        if data == FURNISH:
            self._furnish()
        for fd in fds:
            self._fork(fd)
        return True

    def _furnish(self) -> None:
        self._engines.furnish(_text(self._control))

    def _fork(self, fd: int) -> None:
        populate = self._populate
        try:
            pid = os.fork()
        except OSError as error:
            os.close(fd)
            self._answer(REFUSED, 0, error.errno or errno.EAGAIN, error.strerror or "")
            return
        if pid == 0:
            for call in populate:  # before all else: what comes before it touches pages one by one
                call()
            self._become_worker(fd)
        if self._rehearsal is not None:
            self._rehearsal.watch(pid, self._wake)
        os.close(fd)
        pidfd = _pidfd(pid)
        self._answer(SPAWNED, pid, int(pidfd is not None), "", pidfd)

    def _become_worker(self, fd: int) -> None:
        """Never returns: whatever happens in a child must not run the zygote's loop."""
        status = 1
        try:
            if self._rehearsal is None:
                self._work(fd, self._lock, _itself, self._uses)
            else:
                self._rehearsal.play(fd, self._work)
            status = 0
        finally:
            os._exit(status)

    def _work(self, fd: int, lock: Lock, through: Callable[[socket.SocketType], Connection], uses: int) -> object:
        signal.set_wakeup_fd(-1)  # The handler for ends of children stays: it does nothing, and there will be none.
        # All is said here: asking the kernel what kind of socket it is would be a call that is then forbidden.
        sock = through(socket.SocketType(_FAMILY, _STREAM, 0, fd))
        missing = lock(fd)
        sock.sendall(_READY if not missing else encode(Kind.READY, [json.dumps(missing).encode()]))
        return serve(sock, self._engines, self._blank, uses)

    def _rehearse(self) -> None:
        """Have a worker forked as the host will have it, to learn which memory it uses."""
        practise(lambda sock, engine, uses: serve(sock, engine, self._blank, uses))
        lock = sandbox.WorkerLock(zygote=self._pid, cpu_seconds=self._cpu_seconds, rehearsing=True)
        try:
            self._rehearsal = Rehearsal(self._facade, lock)
        except OSError:
            return
        control = self._control
        host, self._control = socket.socketpair()
        with host, self._control, self._rehearsal.theirs as theirs:
            socket.send_fds(host, [FORK], [theirs.fileno()])
            self._serve()
        self._control = control

    def _reap(self) -> None:
        for pid, code in processes.reaped():
            self._answer(ENDED, pid, code, "")

    def _answer(self, what: int, pid: int, status: int, text: str, fd: int | None = None) -> None:
        data = text.encode()
        message = ANSWER.pack(what, pid, status, len(data)) + data
        try:
            if fd is None:
                self._control.sendall(message)
            else:
                socket.send_fds(self._control, [message], [fd])
                os.close(fd)
        except (BrokenPipeError, ConnectionError):
            os._exit(0)


def _itself(sock: socket.SocketType) -> Connection:
    return sock


def _text(control: socket.socket) -> str:
    (length,) = LENGTH.unpack(_exactly(control, LENGTH.size))
    return _exactly(control, length).decode()


def _exactly(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = control.recv(size - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that names the child even after its number is used anew; None where there is none."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return None


def _stand_back() -> None:
    """Let no worker that wakes up interrupt the host, which then still has to write down what the worker was told.

    Workers have the same share of the processors as before, and begin at once where one is idle.
    """
    with contextlib.suppress(AttributeError, OSError):  # only Linux has it, and not where it was forbidden
        if os.sched_getscheduler(0) == os.SCHED_OTHER:  # a host that asked for less, or more, has its reasons
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def start() -> None:
    """Begin as a process. The arguments are the control socket and what to load, while the host thinks of the rest."""
    gc.disable()  # nothing of this is ever garbage
    _stand_back()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in set(os.environ) - {"TZ"}:
        del os.environ[name]  # Python itself adds LC_CTYPE where there is no locale
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=int(sys.argv[1]))
    for path in sys.argv[2:]:
        _load(path)
    main(control, json.loads(_text(control)))
