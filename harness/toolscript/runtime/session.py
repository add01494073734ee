"""Decides how the host talks to one script in one worker: start, settle, and batches that come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from toolscript.errors import Json, ToolscriptError
from toolscript.limits import Limits
from toolscript.values import quick


@dataclass(frozen=True, slots=True, kw_only=True)
class FacadeEntry:
    """One tool as the worker builds it: its path below ``tools`` and the names of positional arguments."""

    path: tuple[str, ...]
    positional: tuple[str, ...] = ()
    flat: bool = False


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """All inputs of a script. The same inputs and the same tape give the same run, bit for bit.

    ``prepared`` is the blanked JavaScript from the cache, or None: then the worker blanks ``source`` itself and
    sends it back in its first batch. ``params``, ``context`` and ``store`` are JSON texts. ``time_ms`` is where the
    guest's clock stands until the first settlement.
    """

    source: str
    prepared: str | None
    last_expression: bool
    facade: tuple[FacadeEntry, ...]
    params: str = "null"
    context: str = "{}"
    store: str = "{}"
    seed: int = 0
    time_ms: int = 0
    task_prefix: str = "task"
    limits: Limits = field(default_factory=Limits)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The script called a tool. ``number`` is its outbox number, from 1, shared with timers."""

    number: int
    tool: str
    arguments: str
    line: int | None = None
    column: int | None = None
    spawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """The script set a timer (``sleep`` or ``setTimeout``), due ``delay_ms`` after now."""

    number: int
    delay_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerCleared:
    """The script cleared a timer."""

    number: int


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The script wrote one line to its console; ``dropped`` counts lines beyond the byte limit before it."""

    level: Literal["debug", "log", "info", "warn", "error"]
    text: str
    line: int | None = None
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreChange:
    """The script set (JSON text) or deleted (None) a key of its store."""

    key: str
    value: str | None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The script returned; ``result`` is JSON text. ``unawaited`` are numbers of calls nobody awaited."""

    result: str
    unawaited: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The script ended with an error: it threw, does not parse, cannot be erased, or hit an engine limit."""

    error: ToolscriptError
    unawaited: tuple[int, ...] = ()


Message = Call | Timer | TimerCleared | Log | StoreChange | Done | Failed
ENDINGS = (Done, Failed)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the script did until it had to wait, in order. ``guest_seconds`` is the CPU time used so far.

    After ``Done`` or ``Failed`` (always the last message) the session only needs closing.
    """

    messages: tuple[Message, ...]
    guest_seconds: float
    prepared: str | None = None

    @property
    def ended(self) -> Done | Failed | None:
        """The ending, if the script has ended."""
        if not self.messages:
            return None
        last = self.messages[-1]
        return last if isinstance(last, ENDINGS) else None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The outcome of one call, timer or task on the tape; ``value`` is JSON text, an error object if not ok.

    An error object is ``{name, code, tool, message, details}``. ``number`` names the call or timer.
    """

    number: int
    ok: bool
    value: str
    time_ms: int


class Session(Protocol):
    """One script in one worker. Used by one task; cancelled calls leave it unusable, and it is replaced."""

    async def start(self, start: Start, *, meanwhile: Callable[[], None] | None = None) -> Batch:
        """Run the script until it waits or ends; ``meanwhile`` is called once, while it runs: nothing of it counts yet.

        Raises LimitExceeded when a limit killed the worker, WorkerCrashed, ProtocolFault. What the script itself
        does wrong comes as ``Failed``. An exception may carry ``lost_logs = True``.
        """
        ...

    def on_loss(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` if the worker dies while the script waits: nothing more may take effect then."""
        ...

    @property
    def owed(self) -> int:
        """How many batches are still to come for settlements that were sent ahead."""
        ...

    def settle_early(self, settlements: Callable[[], Sequence[Settlement]]) -> None:
        """Deliver settlements while the host still has other things to do; :meth:`settle` returns their batches.

        They are asked for only where a processor is to spare for the script: else they come later, with the others.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Batch]:
        """Deliver settlements one at a time in this order; one batch each, fewer when the script ends before.

        The batches of those that were sent ahead come first. Raises as :meth:`start`.
        """
        ...


class Sessions(Protocol):
    """Hands out sessions; the pool of worker processes is one."""

    def checkout(self) -> AbstractAsyncContextManager[Session]:
        """Lend a fresh session; leaving the block ends it. Raises PoolBusy when the queue is full."""
        ...

    def rouse(self) -> None:
        """Hear that a script is about to come; it may not come, and nothing may be waited for."""
        ...

    def metrics(self) -> dict[str, Json]:
        """Return size, busy, idle, waiting and restarts by cause."""
        ...
