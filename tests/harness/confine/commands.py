"""Runs commands through a real supervisor and says how they ended."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from toolscript.confine.command import Commands, Running
from toolscript.confine.wire import Confinement, Launch

PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@dataclass(frozen=True)
class Done:
    code: int
    stdout: str
    stderr: str


def launch(
    *argv: str,
    cwd: str = "/",
    environment: Mapping[str, str] = PATH,
    confinement: Confinement | None = None,
    max_processes: int = 0,
) -> Launch:
    return Launch(
        program=argv[0], argv=argv, cwd=cwd, environment=environment, confinement=confinement,
        max_processes=max_processes,
    )  # fmt: skip


def shell(script: str, **options: object) -> Launch:
    return launch("/bin/bash", "-c", script, **options)  # type: ignore[arg-type]


@asynccontextmanager
async def begun(commands: Commands, command: Launch) -> AsyncIterator[Running]:
    async with commands.start(command) as running:
        await running.held()
        await running.release()
        yield running


async def done(commands: Commands, command: Launch) -> Done:
    """Run a command to its end; what it wrote must fit into a pipe."""
    async with begun(commands, command) as running:
        with anyio.fail_after(30):
            code = await running.exited()
            await running.end()
        return Done(code, read(running.stdout), read(running.stderr))


def read(descriptor: int) -> str:
    """Return what is in a pipe now."""
    data = b""
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except BlockingIOError:
            break
        if not piece:
            break
        data += piece
    return data.decode()


async def line(descriptor: int) -> str:
    """Return the next line that a command writes."""
    data = b""
    with anyio.fail_after(30):
        while not data.endswith(b"\n"):
            await anyio.wait_readable(descriptor)
            data += os.read(descriptor, 1)
    return data.decode().rstrip("\n")


async def gone(pids: Sequence[int]) -> bool:
    """Say whether all processes end, within ten seconds."""
    from toolscript.confine.processes import alive

    with anyio.move_on_after(10):
        while any(map(alive, pids)):
            await anyio.sleep(0.01)
        return True
    return False
