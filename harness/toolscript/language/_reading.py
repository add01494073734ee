"""Decides what is known at one place of a script that is being read: what each step of the reading looks at."""

from __future__ import annotations

from dataclasses import dataclass, field

from toolscript.language._place import Bracket, Place


@dataclass(slots=True)
class Reading:
    """A script that comes in pieces, and how far it has been read."""

    closing: str
    pieces: list[str]
    offset: int
    work: int = 0
    index: int = 0
    start: int = 0
    fence: int = 0
    place: Place = field(default_factory=Place)
    brackets: list[tuple[Bracket, str]] = field(default_factory=list)
    retry: tuple[int, int, Place] | None = None
    ended: bool = False

    def __post_init__(self) -> None:
        self.start = self.offset

    def divide(self) -> None:
        """Go back to the slash that began no regular expression, and read it as a division."""
        assert self.retry is not None
        self.index, self.offset, self.place = self.retry
        self.place.retries += 1
        self.retry = None
        self.token("/", value=False)
        self.offset += 1

    def token(self, text: str, *, value: bool) -> None:
        """Note a token."""
        place = self.place
        place.before, place.last, place.value, place.broke = place.last, text, value, False
