"""Decides how large bodies lie beside a journal: one private file each, named by its hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from toolscript.errors import JournalError
from toolscript.journal.private import private_dir, read_private, sync_dir, sync_file, write_private
from toolscript.journal.state import blobs_dir

_HASH = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """The bodies of one journal."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._fresh: list[Path] = []
        self._known: set[str] = set()

    @property
    def _directory(self) -> Path:
        return blobs_dir(self._journal)

    def keep(self, data: bytes) -> str:
        """Write a body unless it is there, and return its hash. Raises OSError."""
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._known:
            path = private_dir(self._directory) / digest
            write_private(path, data)
            self._fresh.append(path)
            self._known.add(digest)
        return digest

    def prepare(self) -> Callable[[], None]:
        """Return what makes the bodies kept so far durable."""
        fresh, self._fresh = self._fresh, []
        return lambda: self._flush(fresh)

    def _flush(self, fresh: list[Path]) -> None:
        for path in fresh:
            sync_file(path)
        if fresh:
            sync_dir(self._directory)
            sync_dir(self._directory.parent)


def read_blob(journal: Path, digest: str) -> bytes:
    """Return the body of a journal by its hash. Raises JournalError if it is missing or not what it was."""
    if not _HASH.fullmatch(digest):
        raise JournalError(f"{digest!r} names no body")
    try:
        data = read_private(blobs_dir(journal) / digest)
    except OSError as error:
        raise JournalError(f"the body {digest} of {journal} cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise JournalError(f"the body {digest} of {journal} is not what was written")
    return data
