"""Decides the life of one command as a call sees it: recorded, let go, read, timed, and ended with all of its own."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from toolscript.confine.command import Commands, Running
from toolscript.confine.guard import Guard
from toolscript.confine.protect import Restored
from toolscript.confine.wire import Launch
from toolscript.errors import HostError
from toolscript.registry.context import ProcessRecord, ToolContext
from toolscript_tools.shell.collect import Collector, Stream

DRAIN_SECONDS = 2.0
"""How long output is awaited from processes that outlive the command's own."""
_CHUNK = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a command ended. ``code`` is its own exit code, ``-n`` for death by signal n, None if it was ended."""

    code: int | None
    seconds: float
    timed_out: bool = False
    too_many_processes: bool = False
    left: tuple[int, ...] = ()
    restored: tuple[Restored, ...] = ()


async def run(
    launch: Launch,
    context: ToolContext,
    collector: Collector,
    *,
    timeout: float,
    stdin: str | None = None,
) -> Ending:
    """Run one command to its end within ``timeout`` seconds; leaves no process behind, however it ends.

    Raises LaunchFailed when it could not begin, HostError when its keeper was killed.
    """
    async with _commands(context) as commands, _guarded(commands.guard, launch, context) as (kept, restored):
        ending = await _run(commands, kept, context, collector, timeout, stdin)
    return replace(ending, restored=tuple(restored))


@asynccontextmanager
async def _guarded(guard: Guard, launch: Launch, context: ToolContext) -> AsyncIterator[tuple[Launch, list[Restored]]]:
    """Yield the launch with what must not change held, and a list that tells afterwards what was put back."""
    restored: list[Restored] = []
    if launch.confinement is None or not launch.confinement.writable:
        yield launch, restored
        return
    watch = await to_thread.run_sync(guard.begin, launch.confinement, context.roots)
    try:
        yield replace(launch, confinement=watch.confinement), restored
    finally:
        with anyio.CancelScope(shield=True):
            restored += await to_thread.run_sync(guard.finish, watch)


async def _run(
    commands: Commands, launch: Launch, context: ToolContext, collector: Collector, timeout: float, stdin: str | None
) -> Ending:
    async with commands.start(launch, stdin=stdin is not None) as running:
        identity = await running.held()
        record = ProcessRecord(pid=identity.pid, start_time=identity.start_time, boot_id=identity.boot_id)
        await context.started(record)
        await running.release()
        try:
            return await _attended(running, collector, timeout, stdin)
        finally:
            collector.finish()


@asynccontextmanager
async def _commands(context: ToolContext) -> AsyncIterator[Commands]:
    """Yield the harness's commands, or some for this call alone."""
    if context.commands is not None:
        yield context.commands
        return
    async with Commands() as own:
        yield own


async def _attended(running: Running, collector: Collector, timeout: float, stdin: str | None) -> Ending:
    began = time.monotonic()
    code: int | None = None
    failure: HostError | None = None
    async with anyio.create_task_group() as group:
        read = _start_reading(group, running, collector)
        if stdin is not None:
            group.start_soon(_feed, running, stdin.encode("utf-8", "replace"))
        with anyio.move_on_after(timeout) as scope:
            collector.on_flood = scope.cancel
            try:
                code = await running.exited()
            except HostError as error:
                # Raised after the group, which would wrap it.
                failure = error
        seconds = time.monotonic() - began
        if code is not None:
            with anyio.move_on_after(DRAIN_SECONDS):
                await read.wait()
        left = await running.end()
        # Every writer is dead: what is in the pipes can be read at once.
        with anyio.move_on_after(DRAIN_SECONDS):
            await read.wait()
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return Ending(
        code=code, seconds=seconds, timed_out=code is None and not collector.flooded,
        too_many_processes=running.too_many_processes, left=tuple(left),
    )  # fmt: skip


def _start_reading(group: TaskGroup, running: Running, collector: Collector) -> anyio.Event:
    """Read both streams; the event is set when both have ended."""
    done, left = anyio.Event(), ["stdout", "stderr"]

    async def read(stream: Stream, descriptor: int) -> None:
        while True:
            await anyio.wait_readable(descriptor)
            try:
                data = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                continue
            if not data:
                break
            collector.take(stream, data)
        left.remove(stream)
        if not left:
            done.set()

    group.start_soon(read, "stdout", running.stdout)
    group.start_soon(read, "stderr", running.stderr)
    return done


async def _feed(running: Running, data: bytes) -> None:
    """Write the standard input and close it; a command that does not read is none of our business."""
    view = memoryview(data)
    while view and running.stdin is not None:
        await anyio.wait_writable(running.stdin)
        try:
            view = view[os.write(running.stdin, view[:_CHUNK]) :]
        except BlockingIOError:
            continue
        except BrokenPipeError:
            break
    running.close_stdin()
