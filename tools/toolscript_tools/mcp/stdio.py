"""Decides how a server runs as a process of ours: bounded lines in, its own words kept apart, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import mcp_types
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client._transport import TransportStreams
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage

from toolscript import units
from toolscript.errors import ToolError
from toolscript_tools.mcp.clean import clean
from toolscript_tools.mcp.config import McpServer
from toolscript_tools.mcp.guard import MESSAGE_BYTES, Guard, Received

GRACE = 2.0
"""Seconds that a server has to end by itself, and again after SIGTERM."""

TAIL = 64 * 1024


class Tail:
    """The last of what a server said beside the protocol: on standard error, and stray lines on standard output."""

    def __init__(self, size: int = TAIL) -> None:
        self._size = size
        self._kept = bytearray()

    def add(self, data: bytes) -> None:
        """Keep more, and forget what came first."""
        self._kept += data
        del self._kept[: max(0, len(self._kept) - self._size)]

    def text(self, limit: int = TAIL) -> str:
        """Return the end of it as text that can be shown."""
        return clean(self._kept[-limit:].decode(errors="replace"), limit).strip()


@asynccontextmanager
async def stdio_transport(server: McpServer, guard: Guard, tail: Tail) -> AsyncGenerator[TransportStreams]:
    """Start the server's command and exchange lines of JSON with it; end it and its children on leaving.

    Raises ToolError ``mcp_not_started`` if the command cannot be run.
    """
    process = await _started(server)
    incoming, read = anyio.create_memory_object_stream[Received](0)
    write, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_read, process, incoming, guard, tail)
            group.start_soon(_write, process, outgoing, guard)
            group.start_soon(_keep_words, process, tail)
            group.start_soon(_notice_death, process, guard)
            try:
                yield guard.watch(read, write)
            finally:
                group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _ended(process)
        for stream in (incoming, read, write, outgoing):
            stream.close()


async def _started(server: McpServer) -> Process:
    assert server.command is not None
    env = get_default_environment() | server.env
    try:
        return await anyio.open_process(
            [server.command, *server.args],
            env=env,
            cwd=server.cwd,
            start_new_session=True,
        )
    except OSError as error:
        reason = _why_not(server, env.get("PATH"), error)
        raise ToolError(reason, code="mcp_not_started", details={"server": server.name}) from None


def _why_not(server: McpServer, path: str | None, error: OSError) -> str:
    if server.cwd is not None and not server.cwd.is_dir():
        return f"there is no directory {str(server.cwd)!r}"
    if isinstance(error, FileNotFoundError) and shutil.which(server.command or "", path=path) is None:
        return f"there is no program {server.command!r}"
    return f"{server.command!r} cannot be run: {error.strerror or error}"


async def _read(process: Process, incoming: MemoryObjectSendStream[Received], guard: Guard, tail: Tail) -> None:
    assert process.stdout is not None
    parts: list[bytes] = []
    size = 0
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async with incoming:
            async for chunk in _chunks(process.stdout):
                *lines, rest = chunk.split(b"\n")
                for line in lines:
                    await _deliver(b"".join((*parts, line)), incoming, tail)
                    parts, size = [], 0
                parts.append(rest)
                size += len(rest)
                if size > MESSAGE_BYTES:
                    guard.end(f"the server sent a message of more than {units.size(MESSAGE_BYTES)}")
                    return
    guard.end("the server closed its standard output")


async def _deliver(line: bytes, incoming: MemoryObjectSendStream[Received], tail: Tail) -> None:
    try:
        message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except (ValueError, RecursionError):
        if line.strip():
            # Programs that print: kept with the server's other words, and passed over.
            tail.add(b"[stdout] " + line[:1_000] + b"\n")
        return
    await incoming.send(SessionMessage(message))


async def _write(process: Process, outgoing: MemoryObjectReceiveStream[SessionMessage], guard: Guard) -> None:
    assert process.stdin is not None
    try:
        async with outgoing:
            async for item in outgoing:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                await process.stdin.send(text.encode() + b"\n")
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        guard.end("the server closed its standard input")


async def _keep_words(process: Process, tail: Tail) -> None:
    assert process.stderr is not None
    async for chunk in _chunks(process.stderr):
        tail.add(chunk)


async def _chunks(stream: ByteReceiveStream) -> AsyncGenerator[bytes]:
    with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        while True:
            yield await stream.receive(65_536)


async def _notice_death(process: Process, guard: Guard) -> None:
    """A child of the server may hold its output open; where the system can tell, the server's own end counts."""
    if not hasattr(os, "pidfd_open"):
        return
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        await anyio.wait_readable(descriptor)
        # What it wrote last is still to be read.
        await anyio.sleep(0.2)
        guard.end("the server's process ended")
    finally:
        os.close(descriptor)


async def _ended(process: Process) -> None:
    assert process.stdin is not None
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await process.stdin.aclose()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            _signal_group(process, number)
        with anyio.move_on_after(GRACE):
            # Waits for the pipes too, which a child may hold: the deadline is then the way on.
            await process.wait()
        if process.returncode is not None:
            break
    # Children in its group end with it, also where the server itself went quietly.
    _signal_group(process, signal.SIGKILL)
    with anyio.move_on_after(GRACE):
        await process.aclose()


def _signal_group(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
