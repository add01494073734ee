"""Decides what is kept of a running command's output, what is shown at once, and when it is too much."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Literal

from toolscript.registry.context import Emit
from toolscript_tools.shell.truncation import HeadTail

Stream = Literal["stdout", "stderr"]

MAX_DELTAS = 10_000
KEPT_BYTES = 8 * 1024 * 1024
"""How much of each stream a handle can give back."""
MAX_OUTPUT_BYTES = 256 * 1024 * 1024
"""A command that writes more than this is ended."""


class Collector:
    """Takes output as it comes: keeps head and tail of each stream and of both, and emits it up to a limit.

    When the command has written more than ``most`` bytes, ``flooded`` is true and ``on_flood`` is called, once.
    """

    def __init__(self, emit: Emit, *, shown: int, most: int | None = None) -> None:
        self.kept: dict[Stream, HeadTail] = {"stdout": HeadTail(KEPT_BYTES), "stderr": HeadTail(KEPT_BYTES)}
        self.together = HeadTail(KEPT_BYTES)
        self.flooded = False
        self.on_flood: Callable[[], None] = lambda: None
        self.most = MAX_OUTPUT_BYTES if most is None else most
        self._emit = emit
        self._room = shown
        self._deltas = 0
        self._unshown = 0
        self._unshown_bytes = 0
        self._closed = False
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {"stdout": decoder("replace"), "stderr": decoder("replace")}

    def take(self, stream: Stream, data: bytes) -> None:
        """Keep and show one piece of output."""
        self.kept[stream].add(data)
        self.together.add(data)
        self._show(stream, data)
        if self.together.total > self.most and not self.flooded:
            self.flooded = True
            self.on_flood()

    def _show(self, stream: Stream, data: bytes) -> None:
        # The last delta of the allowance is kept for the count of what was not shown.
        if self._deltas >= MAX_DELTAS - 1 or self._room <= 0:
            self._unshown += 1
            self._unshown_bytes += len(data)
            return
        if len(data) > self._room:
            self._unshown += 1
            self._unshown_bytes += len(data) - self._room
        shown = data[: self._room]
        self._room -= len(shown)
        if text := self._decoders[stream].decode(shown):
            self._deltas += 1
            self._emit(stream, text)

    def finish(self) -> None:
        """Show what is left in the decoders, and count what was not shown."""
        if self._closed:
            return
        self._closed = True
        if self._unshown:
            self._emit("progress", f"{self._unshown} more pieces of output ({self._unshown_bytes} bytes) not shown")
            return
        for stream, decoder in self._decoders.items():
            if rest := decoder.decode(b"", final=True):
                self._emit("stderr" if stream == "stderr" else "stdout", rest)
