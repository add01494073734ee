"""Decides when the harness lives: from the first cell that needs it until the kernel goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolscript.errors import ConfigError

if TYPE_CHECKING:
    from toolscript.events import Listener
    from toolscript.harness import Harness


def default_harness(workspace: Path) -> Harness:
    """Return a harness on a workspace, as the configuration there says."""
    # Imported late: the kernel answers its first message before the library is loaded.
    from toolscript.harness import Harness

    return Harness(workspace)


class Door:
    """Holds the one harness of a kernel."""

    def __init__(self, make: Callable[[Path], Any] = default_harness) -> None:
        self._make = make
        self._harness: Harness | None = None
        self._chosen: Path | None = None
        self._opening = asyncio.Lock()
        self._open = False
        self.listeners: list[Listener] = []
        """Who hears every event of the harness while it is open."""
        self._hearing = ExitStack()

    @property
    def harness(self) -> Harness | None:
        """The harness if it was made already; it may not be open yet."""
        return self._harness

    @property
    def workspace(self) -> Path:
        """Where relative paths of tools begin: the chosen directory, else the kernel's own when it was first needed."""
        if self._harness is not None:
            return self._harness.workspace
        return self._chosen or Path.cwd()

    async def move(self, workspace: Path) -> None:
        """End what runs and go on in another workspace. Raises ConfigError when that is no directory."""
        if not workspace.is_dir():
            raise ConfigError(f"the workspace {str(workspace)!r} is not a directory")
        await self.close()
        self._chosen = workspace.resolve()

    def made(self) -> Harness:
        """Return the harness, made but perhaps not open. Raises ConfigError."""
        if self._harness is None:
            from toolscript.approvals.ways import NOTEBOOK

            self._harness = self._make(self.workspace)
            self._harness.approvals.ways = NOTEBOOK
        return self._harness

    async def open(self) -> Harness:
        """Return the harness, open. Raises ConfigError or HostError; the next call tries anew."""
        async with self._opening:
            harness = self.made()
            if not self._open:
                try:
                    await harness.__aenter__()
                except BaseException:
                    self._harness = None
                    raise
                self._open = True
                for listener in self.listeners:
                    self._hearing.enter_context(harness.listening(listener))
            return harness

    async def close(self) -> None:
        """End everything that the harness runs; the next :meth:`open` makes a new one."""
        async with self._opening:
            harness, self._harness = self._harness, None
            if harness is not None and self._open:
                self._open = False
                with self._hearing.pop_all():
                    await harness.aclose()
