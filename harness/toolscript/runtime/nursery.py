"""Decides how the host asks for workers: it tells the zygote what they need, sends it sockets, and hears of each."""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import os
import socket
import subprocess
from collections import deque
from dataclasses import dataclass
from importlib.util import find_spec

import anyio

from toolscript.errors import ConfigError, HostError, Json
from toolscript.runtime.ahead import DEFAULT_BLANK, DEFAULT_ENGINE, ENVIRONMENT, Ahead
from toolscript.runtime.control import ANSWER, ENDED, FORK, FURNISH, HELLO, LENGTH, REFUSED, SPAWNED
from toolscript.runtime.link import Link
from toolscript.runtime.process import WorkerProcess

START_SECONDS = 20.0
_STDERR_KEPT = 4096
_SEND_BUFFER = 1 << 20
"""What a large value may fill before the other side must wake up; the kernel gives what it allows."""
_ENGINES = {
    "quickjs-ng": (DEFAULT_ENGINE, ("_quickjs",)),
    "quickjs-rs": ("toolscript.runtime.wasm:WasmEngine", ("quickjs_rs", "wasmtime")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a zygote is told: which engine, how many contexts ready, what its children may use.

    ``facade`` are the tools that scripts are likely to have, as ``wire.facade_text`` writes them.
    """

    engine: str
    prepared: int
    uses: int
    address_space: int
    cpu_seconds: int
    blank: str = DEFAULT_BLANK
    modules: tuple[str, ...] = ()
    facade: str = ""
    environment: tuple[tuple[str, str], ...] = ENVIRONMENT

    def told(self) -> dict[str, Json]:
        """Return what the zygote reads."""
        names = ("engine", "blank", "prepared", "uses", "address_space", "cpu_seconds", "facade")
        return {name: getattr(self, name) for name in names}

    def begun(self, ahead: Ahead | None) -> Ahead | None:
        """Tell a process that was begun ahead; end it, and return None, where it has loaded something else."""
        if ahead is None:
            return None
        if not ahead.ours or ahead.loads != (self.engine, self.blank, self.environment):
            ahead.close()
            return None
        ahead.tell(self.told())
        return ahead

    def begin(self) -> Ahead:
        """Return a process that is told. Raises HostError and OSError."""
        begun = Ahead(self.engine, self.blank, self.modules, self.environment)
        begun.tell(self.told())
        return begun


class Nursery:
    """One zygote and its children. When it dies they die too, and a new one must be started."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, frame_limit: int) -> None:
        self._process = process
        self._control = control
        self._frame_limit = frame_limit
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._fds: deque[int | None] = deque()
        """What named the children that were announced; None where this process had no descriptor free for it."""
        self._expected: deque[tuple[WorkerProcess, asyncio.Future[WorkerProcess]]] = deque()
        self._children: dict[int, WorkerProcess] = {}
        self._hello: asyncio.Future[tuple[str, ...]] = self._loop.create_future()
        self.alive = True
        self.missing: tuple[str, ...] = ()
        self.furnished = ""
        control.setblocking(False)
        self._loop.add_reader(control.fileno(), self._readable)

    @classmethod
    async def open(cls, settings: Settings, frame_limit: int, begun: Ahead | None = None) -> Nursery:
        """Start a zygote, or take one that was begun and told, and wait until it is ready.

        Raises HostError, saying what it complained about.
        """
        if begun is not None and not begun.ours:  # this process was forked since
            begun.close()
        elif begun is not None:
            with contextlib.suppress(HostError):  # it may have ended since; another one will not
                nursery = await cls._taken(begun, "", frame_limit)
                if nursery._process.poll() is None:
                    return nursery
                await nursery.close()
        try:
            begun = settings.begin()
        except OSError as error:
            raise HostError(f"the worker zygote cannot be started: {error}") from error
        return await cls._taken(begun, settings.facade, frame_limit)

    @classmethod
    async def _taken(cls, begun: Ahead, furnished: str, frame_limit: int) -> Nursery:
        nursery = cls(*begun.take(), frame_limit)
        nursery.furnished = furnished
        try:
            with anyio.fail_after(START_SECONDS):
                nursery.missing = await nursery._hello
        except TimeoutError:
            await nursery.close()
            raise HostError(f"the worker zygote was not ready after {START_SECONDS:g} s") from None
        except EOFError:
            said = await nursery.close()
            raise HostError(f"the worker zygote could not start: {said}", details={"stderr": said}) from None
        except BaseException:
            with anyio.CancelScope(shield=True):
                await nursery.close()
            raise
        return nursery

    @property
    def pid(self) -> int:
        """The zygote's process id."""
        return self._process.pid

    def furnish(self, facade: str) -> None:
        """Let later workers have these tools laid out before they are asked."""
        data = facade.encode()
        message = FURNISH + LENGTH.pack(len(data)) + data
        try:
            sent = self._control.send(message)
        except OSError:
            return
        if sent < len(message):
            # Half a message would be read as the next one: better no zygote than a confused one.
            self._lost(EOFError("the zygote does not listen"))
            return
        self.furnished = facade

    async def fork(self) -> WorkerProcess:
        """Return a new worker once it has locked itself down. Raises HostError."""
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise HostError(f"no worker can be started: {error}") from error
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        worker = WorkerProcess(Link(ours, self._frame_limit))
        worker.furnished = self.furnished
        born: asyncio.Future[WorkerProcess] = self._loop.create_future()
        try:
            with theirs:
                socket.send_fds(self._control, [FORK], [theirs.fileno()])
            self._expected.append((worker, born))
            with anyio.fail_after(START_SECONDS):
                await asyncio.shield(born)
                _, parts = await worker.link.receive()
            worker.missing = tuple(json.loads(parts[0]))
        except BaseException as error:
            # What is announced only now is not wanted any more.
            born.add_done_callback(lambda done: None if done.cancelled() or done.exception() else worker.close())
            worker.close()
            if isinstance(error, OSError | EOFError):  # TimeoutError is an OSError
                raise HostError(f"no worker can be started: {error or 'it was not ready in time'}") from error
            raise
        return worker

    async def close(self) -> str:
        """End the zygote and with it all workers; return the last that it complained about."""
        self._lost(EOFError("the zygote was closed"))
        self._control.close()
        return await anyio.to_thread.run_sync(self._wait, abandon_on_cancel=False)

    def _wait(self) -> str:
        try:
            _, said = self._process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, said = self._process.communicate()
        return said[-_STDERR_KEPT:].decode("utf-8", "replace").strip()

    def _kill_by_number(self, pid: int) -> None:
        # Only without process descriptors: the zygote may have reaped it, so its word decides.
        if pid in self._children:
            os.kill(pid, 9)

    def _readable(self) -> None:
        try:
            data, ancillary, flags, _ = self._control.recvmsg(65536, socket.CMSG_SPACE(64 * 4))
        except BlockingIOError:
            return
        except OSError:
            data, ancillary, flags = b"", [], 0
        # The kernel hands out the descriptors of one message at a time, and drops what there is no room for.
        self._fds.extend(_descriptors(ancillary) or ([None] if flags & socket.MSG_CTRUNC else []))
        if not data:
            self._lost(EOFError("the zygote hung up"))
            return
        self._received += data
        while len(self._received) >= ANSWER.size:
            what, pid, status, length = ANSWER.unpack_from(self._received)
            if len(self._received) < ANSWER.size + length:
                break
            text = bytes(self._received[ANSWER.size : ANSWER.size + length]).decode()
            del self._received[: ANSWER.size + length]
            self._heard(what, pid, status, text)

    def _heard(self, what: int, pid: int, status: int, text: str) -> None:
        if what == HELLO:
            if not self._hello.done():  # whoever waited for it may have been cancelled meanwhile
                self._hello.set_result(tuple(json.loads(text)))
        elif what == SPAWNED:
            worker, born = self._expected.popleft()
            self._children[pid] = worker
            worker.born(pid, self._fds.popleft() if status else None, self._kill_by_number)
            born.set_result(worker)
        elif what == REFUSED:
            _, born = self._expected.popleft()
            born.set_exception(OSError(status, text))
        elif what == ENDED and pid in self._children:
            self._children.pop(pid).ended(status)

    def _lost(self, why: EOFError) -> None:
        if not self.alive:
            return
        self.alive = False
        self._loop.remove_reader(self._control.fileno())
        for fd in self._fds:
            if fd is not None:
                os.close(fd)
        if not self._hello.done():
            self._hello.set_exception(why)
            self._hello.exception()
        for _, born in self._expected:
            born.set_exception(why)
        for worker in self._children.values():
            worker.ended(-9)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)


def engine_named(name: str) -> tuple[str, tuple[str, ...]]:
    """Return ``module:class`` of an engine and the modules it needs, by its entry point's name or that very path.

    Raises ConfigError for an engine that is not there.
    """
    if ":" in name:
        return name, ()
    path, modules = _ENGINES.get(name) or (_entry_point(name), ())
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ConfigError(f"the engine {name!r} needs {', '.join(missing)}; pip install 'toolscript[wasm]' brings it")
    return path, modules


def _entry_point(name: str) -> str:
    from importlib.metadata import entry_points

    for entry in entry_points(group="toolscript.engines", name=name):
        return entry.value
    raise ConfigError(f"there is no engine {name!r}; install the package that brings it")
