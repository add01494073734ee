"""Decides what is written down of a run: enough to replay, audit, resume and undo it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, get_args

from toolscript.errors import JournalError, Json
from toolscript.values import quick

VERSION = 1
"""The version of the format; a change that an older reader would misread raises it."""
OTHER_QUESTIONS = frozenset({"question", "unknown"})
"""What marks, in ``extra``, a request whose answer is no argument of the call."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """All inputs of a run; always the first record."""

    kind: ClassVar[str] = "run"
    run_id: str
    source: str
    script_hash: str
    origin: str
    last_expression: bool
    params: str
    context: str
    store: str
    seed: int
    time_ms: int
    limits: dict[str, float]
    allowed_tools: tuple[str, ...]
    workspace: str
    policy: str
    digests: dict[str, str]
    """``engine``, ``facade`` and ``tools`` (their schemas): resume and replay compare them."""
    task_prefix: str = "task"
    bound: bool = False
    """Whether the run carries out an approved plan, so that all else asks."""
    plan: dict[str, Json] | None = None
    """What of that plan binds it; without it, nothing of the plan is known any more."""
    facade: tuple[tuple[str, tuple[str, ...], bool], ...] = ()
    """Each tool as the worker built it: path, names of positional arguments, whether it is a global too."""
    conversation_id: str | None = None
    turn_id: str | None = None
    step: int | None = None
    parent: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """The script called a tool; ``number`` is the outbox number and the call's identity."""

    kind: ClassVar[str] = "call"
    number: int
    tool: str
    arguments: str
    line: int | None = None
    column: int | None = None
    spawn: bool = False
    time_ms: int = 0
    """The host's time when the call arrived; 0 where nobody looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRecord:
    """Consent was asked for; ``request`` is what was shown."""

    kind: ClassVar[str] = "ask"
    number: int
    approval_id: str
    digest: str
    request: dict[str, Json]
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """Somebody decided; on disk before it is acknowledged."""

    kind: ClassVar[str] = "decision"
    approval_id: str
    decision: str
    by: str
    reason: str = ""
    arguments: Json = None
    time: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginRecord:
    """An effect is about to happen. ``paths`` are the files it changes: before-image, digest afterwards (None: gone
    or unknown), and the directories above that are missing."""

    kind: ClassVar[str] = "begin"
    number: int
    effect: str
    paths: tuple[dict[str, Json], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedRecord:
    """A command's process exists and waits for this record."""

    kind: ClassVar[str] = "started"
    number: int
    pid: int
    start_time: int
    boot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRecord:
    """A chunk of output, unsynced."""

    kind: ClassVar[str] = "output"
    number: int
    stream: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerRecord:
    """The script set a timer; ``due`` is in seconds since the epoch."""

    kind: ClassVar[str] = "timer"
    number: int
    due: float


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class EndRecord:
    """A call, timer or task was settled; the order of these records is the tape, late ones apart."""

    kind: ClassVar[str] = "end"
    number: int
    ok: bool
    value: str
    time_ms: int
    status: str
    changes: tuple[dict[str, Json], ...] = ()
    """Changed paths with before-images (blobs by digest), for undo."""
    late: bool = False
    """Whether the script had ended by then: the outcome reached nobody, and is not on the tape."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One line of the script's console."""

    kind: ClassVar[str] = "log"
    level: str
    text: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class RunEndRecord:
    """The run ended; its store changes are committed by this record."""

    kind: ClassVar[str] = "run_end"
    status: Literal["completed", "failed", "aborted"]
    result: str | None
    error: dict[str, Json] | None
    store: dict[str, str | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    time_ms: int = 0
    changed: bool | None = None
    """Whether it changed files, so that a list of changes reads the ends of journals only; None: nobody said."""


Record = (
    RunRecord
    | CallRecord
    | AskRecord
    | DecisionRecord
    | BeginRecord
    | StartedRecord
    | OutputRecord
    | TimerRecord
    | EndRecord
    | LogRecord
    | RunEndRecord
)


KINDS: dict[str, type[Record]] = {record.kind: record for record in get_args(Record)}
"""Every kind of record by the name that it has on disk."""


class Journal(Protocol):
    """Where the records of one run go, in order."""

    def keep(self, data: bytes) -> str:
        """Keep bytes beside the records (a before-image) and return their SHA-256, by which records name them.

        They are durable before the records that were written after them.
        """
        ...

    def body(self, digest: str) -> bytes:
        """Return kept bytes. Raises JournalError for what was never kept here."""
        ...

    def clean(self, data: bytes) -> bool:
        """Say whether bytes hold no secret that the journal keeps out of its records."""
        ...

    def write(self, record: Record) -> None:
        """Append one record; it is durable only after the next :meth:`sync`."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Append the records of a block, in which nothing may wait, at its end, or before a sync that begins in it."""
        ...

    async def sync(self) -> None:
        """Return when everything written so far is durable; concurrent callers share one fsync."""
        ...

    def close(self) -> None:
        """Give the journal up; nothing is written afterwards."""
        ...


class MemoryJournal:
    """Keeps the records of one run in memory: for tests, and where a state directory is not wanted."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.records: list[Record] = list(records)
        self._bodies: dict[str, bytes] = {}

    def keep(self, data: bytes) -> str:
        """Keep bytes in memory and return their SHA-256."""
        digest = hashlib.sha256(data).hexdigest()
        self._bodies[digest] = data
        return digest

    def body(self, digest: str) -> bytes:
        """Return kept bytes. Raises JournalError for what was never kept here."""
        try:
            return self._bodies[digest]
        except KeyError:
            raise JournalError(f"the journal holds no body {digest}") from None

    def clean(self, data: bytes) -> bool:
        """Memory keeps no secrets out: it goes with its process."""
        return True

    def write(self, record: Record) -> None:
        """Append one record."""
        self.records.append(record)

    def together(self) -> AbstractContextManager[None]:
        """Append each record at once: nothing is saved by waiting."""
        return nullcontext()

    async def sync(self) -> None:
        """Return at once: memory has nothing to flush."""

    def close(self) -> None:
        """Keep the records readable."""
