"""Decides that a run need not wait for the disk to make its file: empty ones lie ready, locked, under other names.

Making a file can take longer than a whole script, naming one that is there cannot.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
from collections import deque
from collections.abc import Callable
from pathlib import Path

import anyio
from anyio import to_thread

from toolscript.journal.private import CREATE

PREFIX = ".spare-"
MOST = 8
_PAUSE_SECONDS = 0.01
"""How long a run that has just taken a file is left alone."""


class Spares:
    """Empty files of one directory, each with its one writer's lock; more of them the more are taken at once."""

    def __init__(self, directory: Path, name: Callable[[str], str]) -> None:
        """Keep files in a directory; ``name`` turns the id of a run into a file's name."""
        self._directory = directory
        self._name = name
        self._ready: deque[tuple[int, Path]] = deque()
        self._wanted = 0
        self._taken = asyncio.Event()

    def take(self, run_id: str) -> tuple[Path, int] | None:
        """Give a ready file to a run and return it with its descriptor; None if none is ready, or it has one."""
        if not self._ready:
            self._wanted = min(MOST, 2 * self._wanted + 1)
            self._taken.set()
            return None
        fd, spare = self._ready.popleft()
        self._taken.set()
        try:
            path = self._directory / self._name(run_id)
            if not os.path.lexists(name := str(path)):
                os.rename(spare, name)  # noqa: PTH104 - Path.rename() also takes the new name apart, which takes longer
                return path, fd
        except OSError:
            pass  # somebody tidied up: the writer makes a file of its own, or says why it cannot
        _give_up(fd, spare)
        return None

    async def keep(self) -> None:
        """Make what is taken anew, beside the runs, until cancelled; then remove what is left."""
        try:
            while True:
                await self._taken.wait()
                await anyio.sleep(_PAUSE_SECONDS)
                self._taken.clear()
                if len(self._ready) <= self._wanted // 2:
                    await to_thread.run_sync(self._make)
        finally:
            while self._ready:
                _give_up(*self._ready.popleft())

    def _make(self) -> None:
        with contextlib.suppress(OSError):  # whoever needs the file will be told
            while len(self._ready) < self._wanted:
                spare = self._directory / f"{PREFIX}{secrets.token_hex(8)}"
                fd = os.open(spare, CREATE, 0o600)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._ready.append((fd, spare))


def _give_up(fd: int, spare: Path) -> None:
    spare.unlink(missing_ok=True)
    os.close(fd)
