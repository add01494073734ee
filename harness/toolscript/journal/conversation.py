"""Decides what is written down of a conversation: prompts, replies before their scripts run, steps and endings."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets as randomness
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from toolscript import misfits
from toolscript.errors import JournalDamaged, JournalError, Json
from toolscript.journal.blobs import Blobs, read_blob
from toolscript.journal.chain import ChainedFile, Flush, SharedSync
from toolscript.journal.codec import BadLine, members_of
from toolscript.journal.private import READ, private_dir
from toolscript.journal.reader import lines
from toolscript.journal.records import Journal
from toolscript.journal.redact import Redactor, mapped, restored
from toolscript.journal.state import SUFFIX, blobs_dir, is_locked, is_name

KEPT_CONVERSATIONS = 500
"""How many conversations of a workspace are kept; the oldest that nobody writes go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRecord:
    """A conversation begins; always the first record. ``parent`` is ``run_id/operation`` of who asked this agent."""

    kind: ClassVar[str] = "conversation"
    conversation_id: str
    workspace: str
    parent: str | None = None
    time_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRecord:
    """A prompt was taken on. ``before`` are the turns of the branch that it continues, oldest first."""

    kind: ClassVar[str] = "turn"
    turn_id: str
    prompt: str
    agent: str
    model: str
    mode: str
    images: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    time_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRecord:
    """The model wrote on: what came since the record before, up to a script's closing tag or the reply's end.

    Written before the script starts, or the calls are served. ``calls`` and ``native`` come with the end.
    """

    kind: ClassVar[str] = "reply"
    turn_id: str
    step: int
    text: str
    ended: bool = False
    reason: str = ""
    calls: tuple[dict[str, Json], ...] = ()
    native: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """A step has ended; ``items`` are what the history keeps of it, outputs included, and ``runs`` its scripts'."""

    kind: ClassVar[str] = "step"
    turn_id: str
    step: int
    items: tuple[dict[str, Json], ...]
    runs: tuple[str, ...] = ()
    usage: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEndRecord:
    """A turn has ended. A turn without this record was interrupted."""

    kind: ClassVar[str] = "turn_end"
    turn_id: str
    status: Literal["completed", "failed", "aborted", "stopped"]
    reason: str = ""
    text: str = ""
    error: dict[str, Json] | None = None
    time_ms: int = 0


TalkRecord = ConversationRecord | TurnRecord | ReplyRecord | StepRecord | TurnEndRecord

KINDS: dict[str, type[TalkRecord]] = {record.kind: record for record in get_args(TalkRecord)}
"""Every kind of record by the name that it has on disk; readers pass over others."""

_ADAPTERS: dict[str, TypeAdapter[Any]] = {kind: TypeAdapter(record) for kind, record in KINDS.items()}
_PLAIN = frozenset({"conversation_id", "turn_id", "before", "parent", "agent", "model", "mode", "status", "runs"})


def conversations_dir(state: Path) -> Path:
    """Return where a workspace's conversations lie."""
    return private_dir(state / "conversations")


def conversation_path(state: Path, conversation_id: str) -> Path:
    """Return where a conversation's journal lies. Raises JournalError for an id that could lead elsewhere."""
    if not is_name(conversation_id):
        raise JournalError(f"{conversation_id!r} is not the id of a conversation")
    return conversations_dir(state) / f"{conversation_id}{SUFFIX}"


class ConversationJournal:
    """Writes one conversation, secrets replaced by their names; a second writer of the same one gets a file of its own.

    Raises JournalError for what cannot be written. Methods run on one event loop.
    """

    def __init__(self, path: Path, *, secrets: Mapping[str, str] | None = None) -> None:
        self._redactor = Redactor(secrets or {})
        self.path, self._blobs, self._file, self.begun = _opened(path)
        self._sync = SharedSync(self._prepare)

    def write(self, record: TalkRecord) -> None:
        """Append one record; it is durable only after the next :meth:`sync`."""
        fields = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
        clean = {name: value if name in _PLAIN else self._redactor.json(value) for name, value in fields.items()}
        try:
            self._file.append(record.kind, clean)
        except OSError as error:
            raise self._file.fail(error) from None
        self._sync.written += 1

    async def sync(self) -> None:
        """Return when everything written so far is durable, bodies first."""
        await self._sync()

    def followed_by(self, journal: Journal) -> Journal:
        """Return a run's journal that is durable only when this conversation is."""
        return Following(journal, self)

    def close(self) -> None:
        """Give up file and lock."""
        self._file.close()

    def _prepare(self) -> Flush:
        bodies = self._blobs.prepare()

        def flush() -> None:
            try:
                bodies()
            except OSError as error:
                raise self._file.fail(error) from None
            self._file.flush()

        return flush


class Conversations:
    """The journals of conversations that go on here, each opened with its first turn and kept until closed."""

    def __init__(self, state: Path, workspace: str, *, secrets: Mapping[str, str] | None = None) -> None:
        self._state = state
        self._workspace = workspace
        self._secrets = secrets
        self._open: dict[str, ConversationJournal] = {}

    def of(self, conversation_id: str, *, parent: str | None = None) -> ConversationJournal:
        """Return the journal of a conversation. Raises JournalError where it cannot be written."""
        if (known := self._open.get(conversation_id)) is not None:
            return known
        path = conversation_path(self._state, conversation_id)
        journal = self._open[conversation_id] = ConversationJournal(path, secrets=self._secrets)
        if not journal.begun:
            journal.write(
                ConversationRecord(
                    conversation_id=conversation_id, workspace=self._workspace, parent=parent,
                    time_ms=int(time.time() * 1000),
                )
            )  # fmt: skip
        return journal

    def close(self, conversation_id: str | None = None) -> None:
        """Give up one journal, or all."""
        for name in [name for name in self._open if conversation_id in (None, name)]:
            self._open.pop(name).close()


class Following:
    """A run's journal that is durable only when the conversation is: the reply that wrote a script comes first."""

    def __init__(self, journal: Journal, earlier: ConversationJournal) -> None:
        self._journal = journal
        self._earlier = earlier
        self.keep, self.body, self.clean = journal.keep, journal.body, journal.clean
        self.write, self.together, self.close = journal.write, journal.together, journal.close

    async def sync(self) -> None:
        """Return when the conversation, and everything written of the run so far, is durable."""
        await self._earlier.sync()
        await self._journal.sync()


def _opened(path: Path) -> tuple[Path, Blobs, ChainedFile, bool]:
    """Return the file to write, and whether it goes on: this conversation's, or one beside it while that is held."""
    for place, resume in ((path, path.exists()), (_beside(path), False)):
        blobs = Blobs(place)
        with contextlib.suppress(JournalError):
            return place, blobs, ChainedFile(place, resume=resume, keep=blobs.keep), resume
    raise JournalError(f"the conversation {path} cannot be written down")


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.{randomness.token_hex(3)}{SUFFIX}")


def conversation_records(path: Path, *, secrets: Mapping[str, str] | None = None) -> Iterator[TalkRecord]:
    """Yield the records of a conversation; kinds of a later version are passed over, a torn last line too.

    Names of secrets are put back where ``secrets`` knows them. Raises JournalDamaged and JournalError as reading
    a run's journal does.
    """
    back = partial(restored, secrets=secrets or {})
    for line in lines(path, first="conversation"):
        if line.kind not in KINDS:
            continue
        try:
            members = mapped(members_of(line.data, partial(read_blob, path)), back)
            record: TalkRecord = _ADAPTERS[line.kind].validate_python(members)
        except ValidationError as error:
            raise JournalDamaged(str(path), line.number, f"{line.kind}.{misfits.told(error, most=1)}") from None
        except (BadLine, JournalError) as error:
            raise JournalDamaged(str(path), line.number, str(error)) from None
        except RecursionError:
            raise JournalDamaged(str(path), line.number, "nested too deeply") from None
        yield record


def unfinished_conversations(state: Path) -> tuple[Path, ...]:
    """Return the conversations whose last turn has no end and that no process writes, oldest first."""
    files = sorted(conversations_dir(state).glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
    return tuple(path for path in files if _unfinished(path))


def _unfinished(path: Path) -> bool:
    # One that is damaged, or of a later version, must not hide the others.
    with contextlib.suppress(OSError, JournalError, JournalDamaged):
        with os.fdopen(os.open(path, READ), "rb") as file:
            if is_locked(file.fileno()):
                return False
        last = [line.kind for line in lines(path, first="conversation") if line.kind in ("turn", "turn_end")][-1:]
        return last == ["turn"]
    return False


def sweep_conversations(state: Path, *, most: int = KEPT_CONVERSATIONS) -> tuple[str, ...]:
    """Remove the oldest conversations beyond ``most`` that nobody writes; returns their names."""
    files = sorted(conversations_dir(state).glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
    return tuple(path.stem for path in files[: max(0, len(files) - most)] if _removed(path))


def _removed(path: Path) -> bool:
    with contextlib.suppress(OSError):
        with os.fdopen(os.open(path, READ), "rb") as file:
            if is_locked(file.fileno()):
                return False
        path.unlink()
        for entry in blobs_dir(path).glob("*"):
            entry.unlink()
        if blobs_dir(path).exists():
            blobs_dir(path).rmdir()
        return True
    return False
