"""Decides when the harness lives: from the first cell that needs it until the kernel goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolscript.harness import Harness


def default_harness() -> Harness:
    """Return a harness on the kernel's working directory."""
    # Imported late: the kernel answers its first message before the library is loaded.
    from toolscript.harness import Harness

    return Harness(".")


class Door:
    """Holds the one harness of a kernel."""

    def __init__(self, make: Callable[[], Any] = default_harness) -> None:
        self._make = make
        self._harness: Harness | None = None
        self._opening = asyncio.Lock()
        self._open = False

    @property
    def harness(self) -> Harness | None:
        """The harness if it was made already; it may not be open yet."""
        return self._harness

    def made(self) -> Harness:
        """Return the harness, made but perhaps not open. Raises ConfigError."""
        if self._harness is None:
            self._harness = self._make()
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
            return harness

    async def close(self) -> None:
        """End everything that the harness runs; the next :meth:`open` makes a new one."""
        async with self._opening:
            harness, self._harness = self._harness, None
            if harness is not None and self._open:
                self._open = False
                await harness.aclose()
