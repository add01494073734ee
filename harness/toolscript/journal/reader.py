"""Decides what of a journal is believed: an unbroken chain of known records, one in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from toolscript import units
from toolscript.errors import JournalDamaged, JournalError, Json
from toolscript.journal.blobs import read_blob
from toolscript.journal.codec import MAX_LINE, BadLine, fields_of, line_hash, loaded, parsed, record_of
from toolscript.journal.private import read_private
from toolscript.journal.records import KINDS, Record, RunEndRecord
from toolscript.journal.redact import mapped, restored
from toolscript.journal.state import SUFFIX, last_line, secrets_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One verified line: its number from 1, where it ends in the file, and its object without bodies."""

    number: int
    end: int
    hash: str
    data: dict[str, Json]

    @property
    def kind(self) -> str:
        """The kind of record that the line holds."""
        return str(self.data["kind"])


def is_journal(path: Path) -> bool:
    """Say whether a file is meant as a journal: by its name, or because its first line is a record's."""
    if path.suffix == SUFFIX:
        return True
    try:
        with path.open("rb") as file:
            data = loaded(file.readline(MAX_LINE))
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and {"kind", "prev"} <= data.keys()


def lines(path: Path, *, first: str | None = "run") -> Iterator[Line]:
    """Yield the lines of a journal, the chain verified; memory holds one.

    ``first`` is the kind of record that stands first and only there (None: any may).
    A last line without its line end was torn by a crash and is passed over. Raises JournalDamaged for any
    other damage and JournalError if the file cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read: {error.strerror}") from None
    with os.fdopen(fd, "rb") as file:
        previous, end = "", 0
        for number, raw in enumerate(iter(partial(file.readline, MAX_LINE + 1), b""), start=1):
            if not raw.endswith(b"\n"):
                if len(raw) > MAX_LINE:
                    raise JournalDamaged(str(path), number, f"a line of more than {units.size(MAX_LINE)}")
                return
            end += len(raw)
            line = _verified(path, number, end, raw[:-1], previous)
            if first is not None and (number == 1) != (line.kind == first):
                raise JournalDamaged(str(path), number, f"a {first} record stands first, and only there")
            previous = line.hash
            yield line


def _verified(path: Path, number: int, end: int, raw: bytes, previous: str) -> Line:
    try:
        data = parsed(raw)
    except BadLine as error:
        raise JournalDamaged(str(path), number, str(error)) from None
    if data["prev"] != previous:
        raise JournalDamaged(str(path), number, "it does not follow the line before")
    return Line(number=number, end=end, hash=line_hash(raw), data=data)


def records(
    path: Path, *, unknown: Literal["refuse", "skip"] = "refuse", secrets: Mapping[str, str] | None = None
) -> Iterator[Record]:
    """Yield the records of a journal with their bodies; memory holds one.

    ``unknown`` says what becomes of kinds that this version does not know: whoever acts on a journal refuses
    them, whoever only shows it may skip them. Secrets are put back as far as ``secrets`` (see
    :func:`read_secrets`) knows them. Raises as :func:`lines` does.
    """
    known = secrets or {}
    for line in lines(path):
        if unknown == "skip" and line.kind not in KINDS:
            continue
        yield _record(path, line, known)


def end_record(path: Path) -> RunEndRecord | None:
    """Return the last record of a run that has ended, without reading what stands before; None for any other."""
    try:
        with open(path, "rb") as file:
            data = parsed(last_line(file.fileno()))
        record = record_of(data, partial(read_blob, path)) if data["kind"] == RunEndRecord.kind else None
    except (BadLine, JournalError, OSError):
        return None
    return record if isinstance(record, RunEndRecord) else None


def _record(path: Path, line: Line, secrets: Mapping[str, str]) -> Record:
    try:
        record = record_of(line.data, partial(read_blob, path))
        return replace(record, **{name: _restored(value, secrets) for name, value in fields_of(record).items()})
    except (BadLine, JournalError) as error:
        raise JournalDamaged(str(path), line.number, str(error)) from None
    except RecursionError:
        raise JournalDamaged(str(path), line.number, "nested too deeply") from None


def _restored(value: Json, secrets: Mapping[str, str]) -> Json:
    match value:
        case str():
            return restored(value, secrets)
        case tuple():
            return tuple(_restored(item, secrets) for item in value)
        case dict() | list():
            return mapped(value, partial(restored, secrets=secrets))
        case _:
            return value


def read_secrets(path: Path) -> dict[str, str]:
    """Return the true bytes behind a journal's markers; empty once its run has ended."""
    try:
        known = loaded(read_private(secrets_path(path)))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise JournalError(f"the secrets of {path} cannot be read: {error}") from None
    return {str(marker): str(value) for marker, value in known.items()} if isinstance(known, dict) else {}
