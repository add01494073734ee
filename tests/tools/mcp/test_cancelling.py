"""Whenever a start or a call is cancelled, nothing is left behind: no process, no task, no descriptor."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import types
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.tools.mcp.world import World, only, raw

from toolscript.errors import ToolError
from toolscript_tools.mcp import McpServers

pytestmark = pytest.mark.anyio


@types.coroutine
def cancelled_at(work: Coroutine[Any, Any, Any], scope: anyio.CancelScope, at: int) -> Generator[Any, Any, Any]:
    """Run the work and cancel the scope when it waits for the ``at``-th time."""
    waits, error = 0, None
    while True:
        try:
            wanted = work.throw(error) if error is not None else work.send(None)
        except StopIteration as stop:
            return stop.value
        waits += 1
        if waits == at:
            scope.cancel()
        try:
            error = None
            yield wanted
        except BaseException as thrown:
            error = thrown


def children() -> list[str]:
    listed = subprocess.run(["ps", "-o", "args=", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if "raw.py" in line]


def descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


async def once(world: World, mode: str) -> None:
    async with McpServers([raw(mode, call_timeout=0.2)]) as servers:
        tool = await only(servers)
        try:
            await world.call(tool)
        except ToolError:
            assert mode != "works"


@pytest.mark.parametrize("mode", ["works", "dies", "silent"])
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
async def test_a_cancel_at_any_await_leaves_nothing_behind(mode: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    await once(world, mode)
    before = descriptors(), len(asyncio.all_tasks())
    cancelled = 0

    for at in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30):
        with anyio.CancelScope() as scope:
            await cancelled_at(once(world, mode), scope, at)
        cancelled += scope.cancelled_caught
        assert children() == []
        assert (descriptors(), len(asyncio.all_tasks())) == before
    assert cancelled >= 3
