"""Decides how things that live as long as the harness are opened in one task and closed from any other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
from anyio.abc import TaskGroup

Opening = Callable[[TaskGroup], AbstractAsyncContextManager[Any]]


class Background:
    """Holds one context manager and one task group open in a task of its own.

    A notebook opens the harness in one cell and closes it in another, from different tasks; cancel scopes
    must be left by the task that entered them. This object is the one owner of that task.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when everything is open; raises what opening raised."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(ready), name="toolscript background")
        try:
            await asyncio.shield(ready)
        except asyncio.CancelledError:
            await self.close()
            raise

    async def close(self) -> None:
        """Close everything and wait for it; closing twice changes nothing."""
        self._stop.set()
        if self._task is not None:
            task, self._task = self._task, None
            with anyio.CancelScope(shield=True):
                await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _live(self, ready: asyncio.Future[None]) -> None:
        try:
            async with anyio.create_task_group() as group, self._opening(group):
                ready.set_result(None)
                await self._stop.wait()
                group.cancel_scope.cancel()
        except BaseException as error:
            if ready.done():
                raise
            # What opening raised is the caller's, and must not come wrapped in the group's.
            while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
                error = error.exceptions[0]
            ready.set_exception(error)
