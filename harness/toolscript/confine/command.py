"""Decides how the harness starts commands: through one supervisor process, each held until it may begin."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anyio
from anyio import to_thread

from toolscript.confine import wire
from toolscript.errors import HostError

if TYPE_CHECKING:
    from toolscript.confine.guard import Guard

START_SECONDS = 30.0
END_SECONDS = 10.0
GRACE_SECONDS = 0.5
_ROOT = Path(__file__).resolve().parents[2]
_BOOT = "import sys; sys.path.append(sys.argv[1]); from toolscript.confine.supervisor import main; main()"


class LaunchFailed(HostError):
    """The command never began; ``stage`` says whether it could not be set up, confined or executed."""

    code = "launch_failed"

    def __init__(self, stage: str, number: int | None, message: str, path: str | None) -> None:
        super().__init__(message, details={"stage": stage, "errno": number, "path": path})
        self.stage = stage
        self.errno = number
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What identifies a command's process beyond the reuse of its pid."""

    pid: int
    start_time: int
    boot_id: str


class Running:
    """One command, from being held to having ended. Used by one task.

    ``stdin`` (if asked for), ``stdout`` and ``stderr`` are non-blocking descriptors that belong to this object.
    """

    def __init__(self, channel: socket.socket, stdin: int | None, stdout: int, stderr: int) -> None:
        self._channel = channel
        self._decoder = wire.Decoder()
        self._facts: dict[str, Any] = {}
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr

    async def held(self) -> Identity:
        """Return who the process is once it is set up and waits. Raises LaunchFailed."""
        with anyio.move_on_after(START_SECONDS):
            await self._until("pid")
        if "pid" not in self._facts:
            raise HostError(f"the command's process was not there after {START_SECONDS:g} seconds")
        return Identity(**{name: self._facts[name] for name in ("pid", "start_time", "boot_id")})

    async def release(self) -> None:
        """Let the command begin."""
        await self._tell(wire.GO)

    async def exited(self) -> int:
        """Return the exit code once the command's own process has ended; ``-n`` for death by signal n.

        Raises LaunchFailed when it could not be executed, HostError when its keeper was killed.
        """
        await self._until("exit")
        return int(self._facts["exit"])

    @property
    def too_many_processes(self) -> bool:
        """Whether the command was ended because it had more processes than allowed."""
        return "too_many" in self._facts

    async def end(self, grace: float = GRACE_SECONDS) -> list[int]:
        """End everything that came from the command, gently for ``grace`` seconds; returns pids that live on."""
        if "done" in self._facts:
            return list(self._facts.get("left", ()))
        with anyio.CancelScope(shield=True), contextlib.suppress(LaunchFailed, HostError, OSError):
            await self._tell(wire.TERMINATE)
            with anyio.move_on_after(grace):
                await self._until("done")
            if "done" not in self._facts:
                await self._tell(wire.KILL)
            with anyio.move_on_after(END_SECONDS):
                await self._until("done")
        return list(self._facts.get("left", ()))

    async def _tell(self, order: bytes) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._channel.send(order)

    async def _until(self, fact: str) -> None:
        while fact not in self._facts:
            await anyio.wait_readable(self._channel)
            try:
                data = self._channel.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                raise HostError("the command's keeper was killed")
            for message in self._decoder.feed(data):
                self._facts |= message
            if fact != "done" and (failed := self._facts.get("failed")):
                raise LaunchFailed(failed["stage"], failed["errno"], failed["message"], failed["path"])

    def close_stdin(self) -> None:
        """End the command's standard input."""
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    def close(self) -> None:
        """Give up the descriptors; the keeper takes a closed channel for the order to end everything."""
        self._channel.close()
        for name in ("stdin", "stdout", "stderr"):
            descriptor = getattr(self, name)
            if descriptor is not None:
                os.close(descriptor)
            setattr(self, name, None)


class Commands:
    """Owns the supervisor. Starts nothing until the first command; leaving the context ends every command.

    One for each harness, entered where the harness is: ``async with Commands() as commands: …``.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._former: list[subprocess.Popen[bytes]] = []

    @cached_property
    def guard(self) -> Guard:
        """What keeps protected files across commands; made with the first of them."""
        from toolscript.confine.guard import Guard

        return Guard()

    @property
    def warden(self) -> int | None:
        """The pid of the process above the supervisor, None before the first command."""
        return self._process.pid if self._process is not None else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the supervisor and everything below it; a later command starts a new one."""
        processes = [*self._former, *([self._process] if self._process is not None else [])]
        control = self._control
        self._process = self._control = None
        self._former = []
        if control is not None:
            control.close()
        with anyio.CancelScope(shield=True):
            for process in processes:
                await to_thread.run_sync(_wait, process)

    @asynccontextmanager
    async def start(self, command: wire.Launch, *, stdin: bool = False) -> AsyncIterator[Running]:
        """Start a command, held until :meth:`Running.release`; leaving the block ends all that came from it."""
        try:
            running = self._spawned(stdin)
        except OSError as error:
            # Out of descriptors, processes or memory: the next command may find some again.
            raise HostError(f"a command cannot be started now: {error}", details={"errno": error.errno}) from error
        try:
            await _send_all(running._channel, wire.encode(command.to_json()))
            yield running
        finally:
            await running.end()
            running.close()

    def _spawned(self, stdin: bool) -> Running:
        try:
            return _spawn(self._connected(), stdin)
        except BrokenPipeError:
            # The supervisor was killed a moment ago.
            return _spawn(self._connected(), stdin)

    def _connected(self) -> socket.socket:
        self._former = [process for process in self._former if process.poll() is None]
        if self._process is not None and self._control is not None and _ended(self._control):
            # It was killed from outside; its keepers go on with what they keep, and the warden with them.
            self._former.append(self._process)
            self._control.close()
            self._process = self._control = None
        if self._control is None:
            self._control, self._process = _supervise()
        return self._control


def _ended(control: socket.socket) -> bool:
    """Say whether the supervisor is gone: it never writes, so what can be read is the end."""
    return bool(select.select([control], [], [], 0)[0])


def _supervise() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BOOT, str(_ROOT)],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", env={},
                start_new_session=True,
            )  # fmt: skip
    except BaseException:
        ours.close()
        raise
    return ours, process


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END_SECONDS + 5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _spawn(control: socket.socket, stdin: bool) -> Running:
    """Send the ends of new pipes to the supervisor, and return the command with our ends."""
    with ExitStack() as theirs, ExitStack() as ours:
        channel, sent = socket.socketpair()
        theirs.enter_context(sent)
        ours.enter_context(channel)
        reads, given = _descriptor_pair(theirs, ours) if stdin else (os.open(os.devnull, os.O_RDONLY), None)
        if given is None:
            theirs.callback(os.close, reads)
        stdout, output = _descriptor_pair(ours, theirs)
        stderr, errors = _descriptor_pair(ours, theirs)
        socket.send_fds(control, [wire.LAUNCH], [sent.fileno(), reads, output, errors])
        ours.pop_all()
    channel.setblocking(False)
    for descriptor in (stdout, stderr, *([given] if given is not None else [])):
        os.set_blocking(descriptor, False)
    return Running(channel, given, stdout, stderr)


def _descriptor_pair(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """Return a pipe whose ends are closed with these stacks."""
    read, write = os.pipe()
    reader.callback(os.close, read)
    writer.callback(os.close, write)
    return read, write


async def _send_all(channel: socket.socket, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[channel.send(view) :]
        except BlockingIOError:
            await anyio.wait_writable(channel)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise HostError("the command's keeper was killed before the command began") from error
