"""Decides what can be undone: the contents that each edit of a conversation replaced, newest first, within bounds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

CAPACITY = 64 * 1024 * 1024
EDITS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One edit: the content before (None: there was no file) and the digest of the file after it."""

    conversation: str
    path: Path
    before: bytes | None
    after: str | None

    @property
    def size(self) -> int:
        """What keeping it costs."""
        return len(self.before or b"")


class History:
    """Keeps the edits of all conversations; the oldest are forgotten first."""

    def __init__(self, capacity: int = CAPACITY, edits: int = EDITS) -> None:
        self._capacity = capacity
        self._edits = edits
        self._steps: deque[Step] = deque()
        self._size = 0

    def push(self, step: Step) -> None:
        """Remember an edit. One that is larger than all that may be kept is forgotten, with all before it."""
        self._steps.append(step)
        self._size += step.size
        while self._steps and (self._size > self._capacity or len(self._steps) > self._edits):
            self._size -= self._steps.popleft().size

    def of(self, conversation: str, path: Path) -> list[Step]:
        """Return the edits of one file in one conversation, newest first."""
        return [step for step in reversed(self._steps) if step.conversation == conversation and step.path == path]

    def drop(self, step: Step) -> None:
        """Forget an edit, and the later ones of the same file: they are undone or no longer stand."""
        gone = []
        for kept in self.of(step.conversation, step.path):
            gone.append(id(kept))
            if kept is step:
                break
        self._steps = deque(kept for kept in self._steps if id(kept) not in gone)
        self._size = sum(kept.size for kept in self._steps)
