"""Decides that a journal is opened with its first record: nobody who prepares a run waits for a file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from toolscript.errors import JournalError, ToolscriptError
from toolscript.journal.records import Journal, Record


class LateJournal:
    """The journal that ``make`` opens, once something is written; before that there is nothing to read or close.

    One that could not be opened is not tried again: whatever would be written raises what opening it raised.
    """

    def __init__(self, make: Callable[[], Journal]) -> None:
        self._make = make
        self._journal: Journal | None = None
        self._problem: Exception | None = None

    def write(self, record: Record) -> None:
        """Append one record."""
        (self._journal or self._opened()).write(record)

    def together(self) -> AbstractContextManager[None]:
        """Append the records of a block at its end."""
        return (self._journal or self._opened()).together()

    def keep(self, data: bytes) -> str:
        """Keep bytes beside the records."""
        return (self._journal or self._opened()).keep(data)

    def body(self, digest: str) -> bytes:
        """Return kept bytes. Raises JournalError for what was never kept here."""
        return (self._journal or self._opened()).body(digest)

    def clean(self, data: bytes) -> bool:
        """Say whether bytes hold none of the secrets that are redacted."""
        return (self._journal or self._opened()).clean(data)

    async def sync(self) -> None:
        """Return when everything written so far is durable."""
        if self._journal is not None:
            await self._journal.sync()

    def close(self) -> None:
        """Give the journal up; it is not opened any more."""
        if self._journal is not None:
            self._journal.close()
        elif self._problem is None:
            self._problem = JournalError("the journal is closed")

    def _opened(self) -> Journal:
        if self._problem is not None:
            raise self._problem
        try:
            self._journal = self._make()
        except (ToolscriptError, OSError) as error:
            self._problem = error
            raise
        return self._journal
