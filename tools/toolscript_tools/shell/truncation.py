"""Decides what is kept of too long output: its head and its tail, around a note of what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

BYTES_PER_TOKEN = 4


class HeadTail:
    """Keeps the first and the last half of at most ``limit`` bytes of a stream, and counts the rest."""

    def __init__(self, limit: int) -> None:
        self._head_limit = limit // 2
        self._tail_limit = limit - limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self.total += len(data)
        room = self._head_limit - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room > 0 else data
        # Cut in strides: cutting at each small chunk would move the whole tail every time.
        if len(self._tail) > 2 * self._tail_limit + 4096:
            del self._tail[: len(self._tail) - self._tail_limit]

    def _kept_tail(self) -> bytes:
        return bytes(self._tail[max(0, len(self._tail) - self._tail_limit) :])

    @property
    def omitted(self) -> int:
        """How many bytes between head and tail are gone."""
        return self.total - len(self._head) - min(len(self._tail), self._tail_limit)

    def retained(self) -> bytes:
        """Return head and tail with nothing between them."""
        return bytes(self._head) + self._kept_tail()

    def marked(self) -> bytes:
        """Return head and tail, with a line between them that counts what is missing (if anything is)."""
        return joined(bytes(self._head), self._kept_tail(), self.omitted)


def joined(head: bytes, tail: bytes, omitted: int) -> bytes:
    """Return head and tail around the line that counts the omitted bytes."""
    return head + f"\n... {omitted} bytes omitted ...\n".encode() + tail if omitted else head + tail


def shortened(data: bytes, limit: int) -> tuple[str, bool]:
    """Return the bytes as text of at most about ``limit`` bytes, cut in the middle, and whether it was cut."""
    if len(data) <= limit:
        return data.decode("utf-8", "replace"), False
    head, tail = _head(data, limit // 2), _tail(data, limit - limit // 2)
    cut = joined(head, tail, len(data) - len(head) - len(tail))
    return cut.decode("utf-8", "replace"), True


def _head(data: bytes, limit: int) -> bytes:
    """Return at most ``limit`` bytes from the start, not ending within a character."""
    end = limit
    while end > max(0, limit - 4) and _continues(data, end):
        end -= 1
    return data[: limit if _continues(data, end) else end]


def _tail(data: bytes, limit: int) -> bytes:
    """Return at most ``limit`` bytes from the end, not starting within a character."""
    start = len(data) - limit
    while start < min(len(data), len(data) - limit + 4) and _continues(data, start):
        start += 1
    return data[start:]


def _continues(data: bytes, index: int) -> bool:
    return index < len(data) and data[index] & 0xC0 == 0x80


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a text a model may see, in tokens (of four bytes) or in bytes."""

    tokens: int | None = None
    bytes: int | None = None
    limit: int = field(init=False)

    def __post_init__(self) -> None:
        size = self.bytes if self.bytes is not None else (self.tokens or 0) * BYTES_PER_TOKEN
        object.__setattr__(self, "limit", size)


def truncated(text: str, budget: Budget) -> str:
    """Return the text within the budget: left half, a count of what was taken out, right half."""
    data = text.encode("utf-8", "replace")
    if len(data) <= budget.limit:
        return text
    left, right = _head(data, budget.limit // 2).decode(), _tail(data, budget.limit - budget.limit // 2).decode()
    if budget.bytes is None:
        removed = f"{-(-(len(data) - budget.limit) // BYTES_PER_TOKEN)} tokens"
    else:
        removed = f"{len(text) - len(left) - len(right)} chars"
    return f"{left}…{removed} truncated…{right}"


def formatted(text: str, budget: Budget) -> str:
    """Return the text within the budget; when it was cut, after a warning with its original size."""
    size = len(text.encode("utf-8", "replace"))
    if size <= budget.limit:
        return text
    lines = len(text.splitlines())
    tokens = -(-size // BYTES_PER_TOKEN)
    warning = f"Warning: truncated output (original token count: {tokens})\nTotal output lines: {lines}\n\n"
    return warning + truncated(text, budget)
