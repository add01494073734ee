"""Decides what of a run is on disk, and when: the one writer of one run's journal."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolscript.errors import JournalError, Json
from toolscript.journal.blobs import Blobs, read_blob
from toolscript.journal.chain import ChainedFile, Flush, SharedSync
from toolscript.journal.codec import dumped, fields_of
from toolscript.journal.private import write_private
from toolscript.journal.reader import read_secrets
from toolscript.journal.records import EndRecord, OutputRecord, Record, RunEndRecord
from toolscript.journal.redact import Redactor
from toolscript.journal.state import run_path, secrets_path

if TYPE_CHECKING:
    from toolscript.journal.spares import Spares

OUTPUT_BYTES = 16 * 1024 * 1024
"""How much streamed output one run may write down; the rest is in results and handles."""
PLAIN = frozenset(
    {"run_id", "script_hash", "digest", "approval_id", "status", "decision", "effect", "stream", "level", "tool"}
    | {"boot_id", "origin", "policy", "parent", "conversation_id", "turn_id", "digests", "allowed_tools", "limits"}
    | {"facade"}
)
"""Fields that hold names and hashes of ours, never text of a script, a tool or a person."""


class DiskJournal:
    """Writes the records of one run; a record is safe from a crash of this process once written.

    Secrets are replaced by their names; their true bytes lie in a private file beside it until the run's end
    is durable. Methods run on one event loop. Raises JournalError for what cannot be written.
    """

    def __init__(
        self, path: Path, *, secrets: Mapping[str, str] | None = None, resume: bool = False, fd: int | None = None
    ) -> None:
        """Open the journal; ``fd`` is that of an empty file that lay ready for it."""
        self.path = path
        self._redactor = Redactor(secrets or {}, used=read_secrets(path) if resume else {})
        self._blobs = Blobs(path)
        self._file = ChainedFile(path, resume=resume, keep=self._blobs.keep, fd=fd)
        self._sync = SharedSync(self._prepare)
        self._held: dict[tuple[int, str], str] = {}
        self._output_left = OUTPUT_BYTES
        self._secrets_written = len(self._redactor.used)
        self._ended = False

    @classmethod
    def create(
        cls, state: Path, run_id: str, *, secrets: Mapping[str, str] | None = None, spares: Spares | None = None
    ) -> DiskJournal:
        """Open the journal of a new run in a workspace's state directory, by a file of ``spares`` if one is ready."""
        if spares is not None and (ready := spares.take(run_id)) is not None:
            path, fd = ready
            return cls(path, secrets=secrets, fd=fd)
        return cls(run_path(state, run_id), secrets=secrets)

    @classmethod
    def resume(cls, path: Path, *, secrets: Mapping[str, str] | None = None) -> DiskJournal:
        """Go on with the journal of an interrupted run, its chain verified and a torn last line cut off."""
        return cls(path, secrets=secrets, resume=True)

    def write(self, record: Record) -> None:
        """Append one record; it is durable only after the next :meth:`sync`."""
        match record:
            case OutputRecord():
                self._write_output(record)
                return
            case EndRecord() if self._held:
                self._release(record.number)
            case RunEndRecord():
                self._release(None)
                self._ended = True
        self._append(record)

    def _append(self, record: Record) -> None:
        try:
            if not self._file.append_short(record, self._redactor.spares):
                self._append_cleaned(record)
        except OSError as error:
            raise self._file.fail(error) from None
        self._sync.written += 1

    def _append_cleaned(self, record: Record) -> None:
        fields = {n: v if n in PLAIN else self._redactor.json(v) for n, v in fields_of(record).items()}
        # Secrets first: a line whose marker nobody can resolve could never be resumed exactly.
        self._write_secrets()
        self._file.append(record.kind, fields)

    def together(self) -> AbstractContextManager[None]:
        """Append the records of a block, in which nothing may wait, with one write at its end, or before a sync."""
        return self._file.together()

    def keep(self, data: bytes) -> str:
        """Keep bytes beside the records, exactly, and return their SHA-256."""
        self._file.check()
        try:
            return self._blobs.keep(data)
        except OSError as error:
            raise self._file.fail(error) from None

    def body(self, digest: str) -> bytes:
        """Return kept bytes. Raises JournalError for what was never kept here."""
        return read_blob(self.path, digest)

    def clean(self, data: bytes) -> bool:
        """Say whether bytes hold none of the secrets that are redacted."""
        text = data.decode("utf-8", "replace")
        return self._redactor.text(text) == text

    async def sync(self) -> None:
        """Return when everything written so far is durable, bodies first; concurrent callers share one fsync."""
        await self._sync()
        if self._ended:
            secrets_path(self.path).unlink(missing_ok=True)

    def close(self) -> None:
        """Give up file and lock; output that was held back is written first."""
        if self._held:
            with contextlib.suppress(JournalError):
                self._release(None)
        self._file.close()

    def _prepare(self) -> Flush:
        self._file.settle()
        bodies = self._blobs.prepare()

        def flush() -> None:
            try:
                bodies()
            except OSError as error:
                raise self._file.fail(error) from None
            self._file.flush()

        return flush

    def _write_output(self, record: OutputRecord) -> None:
        # A secret may be cut in two by the chunks of a stream: what may be its beginning waits for the rest.
        whole = self._held.pop((record.number, record.stream), "") + record.text
        text, held = self._redactor.split(whole)
        if held:
            self._held[record.number, record.stream] = held
        if text:
            self._append_output(replace(record, text=text))

    def _append_output(self, record: OutputRecord) -> None:
        size = len(record.text.encode(errors="surrogatepass"))
        if size <= self._output_left:
            self._output_left -= size
            self._append(record)
        elif self._output_left > 0:
            self._output_left = 0
            self._append(replace(record, text="\n[further output is not in the journal]\n"))

    def _release(self, number: int | None) -> None:
        for key in [key for key in self._held if number in (None, key[0])]:
            self._append_output(OutputRecord(number=key[0], stream=key[1], text=self._held.pop(key)))

    def _write_secrets(self) -> None:
        used: Json = self._redactor.used
        if len(used) == self._secrets_written:
            return
        write_private(secrets_path(self.path), dumped(used), durable=True)
        self._secrets_written = len(used)
