"""Decides how the host talks to a worker about one script: what is sent, what is believed, what an end means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from toolscript.errors import HostError, LimitExceeded, ProtocolFault, SourceTooLarge, ToolscriptError, WorkerCrashed
from toolscript.limits import Limits
from toolscript.runtime.frames import Kind
from toolscript.runtime.messages import Decoder
from toolscript.runtime.process import WorkerProcess
from toolscript.runtime.watch import Watch
from toolscript.runtime.wire import encode_settle, encode_start, facade_text

if TYPE_CHECKING:
    from toolscript.runtime.moments import Moments
    from toolscript.runtime.placing import Placing
    from toolscript.runtime.session import Batch, Session, Settlement, Start

ATTEMPTS = 3
"""How many workers a script is offered to; one that dies before it has read the script has done nothing of it."""

LOOK_SECONDS = 0.0004
"""For how long an answer is looked for before it is waited for: to sleep and be woken takes longer than most take."""
HOPE = 3
"""How often in a row that may be in vain, until a script is known to take its time."""

_NO_SCRIPT = Limits()
_BATCH = int(Kind.BATCH)


class Lease:
    """One script in one worker: the pool's Session.

    ``lender`` gives another worker for one that is dead, and says whether nobody else needs the processor.
    """

    def __init__(self, worker: WorkerProcess, lender: Lender) -> None:
        self.worker = worker
        self._lender = lender
        self._hope = HOPE + 1  # the start is longer than most
        self._on_loss: Callable[[], None] | None = None
        self._watch: Watch | None = None
        self._decoder: Decoder | None = None
        self._failures: dict[int, str] = {}
        self.owed = 0
        """How many batches are to come for what was settled early."""
        self._limits = _NO_SCRIPT
        self.facade = ""
        """The tools of its script, which those of the next are likely to be."""
        self.clean = False
        """Whether the script has ended by itself, so that the process may serve another."""
        self.cause = ""
        """Why the worker cannot be used again, for the pool's metrics."""

    @property
    def started(self) -> bool:
        """Whether a script has come near the worker."""
        return self._watch is not None

    @property
    def missing(self) -> tuple[str, ...]:
        """What the worker could not give up on this machine."""
        return self.worker.missing

    async def start(self, start: Start, *, meanwhile: Callable[[], None] | None = None) -> Batch:
        """Run the script until it waits or ends; ``meanwhile`` is called once, while it runs."""
        if self._decoder is not None:
            raise HostError("a session runs one script")
        self._limits = start.limits
        if (size := len(start.source.encode("utf-8", "replace"))) > start.limits.source_bytes:
            raise SourceTooLarge(start.limits.source_bytes, size)
        self.facade = facade_text(start.facade)
        for _ in range(1, ATTEMPTS):
            try:
                return await self._attempt(start, meanwhile)
            except (WorkerCrashed, LimitExceeded):
                meanwhile = None
                if not self.worker.link.unheard:
                    raise
            self.close()
            self.cause = ""
            self.worker = await self._lender.exchange(self.worker)
        return await self._attempt(start, None)

    async def _attempt(self, start: Start, meanwhile: Callable[[], None] | None) -> Batch:
        serial = self.worker.uses + 1
        self.worker.link.send(encode_start(start, serial, self.worker.furnished, alone=self._lender.alone()))
        # What only its answer needs is made while it begins.
        self._watch = Watch(self.worker, start.limits, self._lender.moments)
        self._decoder = Decoder(serial, start.source, start.limits, self._failures, prepared=start.prepared)
        if meanwhile is not None:
            meanwhile()
            await asyncio.sleep(0)  # the loop has a turn for what else was begun, while the worker is busy anyway
        batch = (await self._batches(1))[0]
        self._heed(self.worker)
        return batch

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Batch]:
        """Deliver settlements in this order; one batch each, fewer when the script ends before."""
        watch = self._send(settlements)
        watch.runs(len(settlements))
        count, self.owed = self.owed + len(settlements), 0
        return await self._batches(count)

    def settle_early(self, settlements: Callable[[], Sequence[Settlement]]) -> None:
        """Deliver settlements while the host still has other things to do, where a processor is to spare."""
        if self._lender.alone():
            given = settlements()
            # How long the worker takes counts once the host listens: it may stand still itself before.
            self._send(given).grant(len(given))
            self.owed += len(given)

    def _send(self, settlements: Sequence[Settlement]) -> Watch:
        if self._watch is None or self.clean:
            raise HostError("the session has no script that waits")
        for settlement in settlements:
            if not settlement.ok:
                self._failures[settlement.number] = settlement.value
        if settlements:
            self.worker.link.send(b"".join(map(encode_settle, settlements)))
        return self._watch

    def on_loss(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` if the worker dies while the script waits."""
        self._on_loss = callback

    def _heed(self, worker: WorkerProcess) -> None:
        before = worker.link.on_end

        def ended() -> None:
            before()
            if not self.clean and self._on_loss is not None:
                self._on_loss()

        worker.link.on_end = ended

    def close(self) -> None:
        """End the lease; the worker's fate is the pool's to decide."""
        if self._watch is not None:
            self._watch.close()

    async def _batches(self, count: int) -> list[Batch]:
        assert self._watch is not None
        assert self._decoder is not None
        batches: list[Batch] = []
        link = self.worker.link
        try:
            if self._hope and self._lender.alone():
                found = link.look(LOOK_SECONDS)
                self._hope = HOPE if found else self._hope - 1
                self._lender.placing.looked(found)
            if not link.filled:
                self._lender.placing.anywhere(self.worker)  # the host sleeps now, and leaves its processor
            while len(batches) < count:
                kind, parts = link.arrived() or await link.receive()
                if kind != _BATCH:
                    raise ProtocolFault(f"a worker sent a frame of kind {kind}")
                batches.append(self._decoder.batch(parts))
                if batches[-1].ended is not None:
                    self.clean = True
                    break
        except EOFError:
            raise await self._lost(await self.worker.death(self._limits)) from None
        except ToolscriptError as error:
            raise await self._lost(error) from None
        self._watch.rests()
        return batches

    async def _lost(self, error: ToolscriptError) -> ToolscriptError:
        """Return the error, marked: what the script wrote since its last await is gone with the worker."""
        self.cause = "limit" if isinstance(error, LimitExceeded) else error.code
        error.__dict__["lost_logs"] = True
        self.worker.kill()
        return error


class Lender(Protocol):
    """Who has workers to lend, and says where they run."""

    placing: Placing

    moments: Moments
    """Those that its watches wait for."""

    async def acquire(self) -> WorkerProcess:
        """Lend a worker; it must be released."""
        ...

    async def exchange(self, dead: WorkerProcess) -> WorkerProcess:
        """Take back a worker that died before it did anything, and lend another."""
        ...

    def alone(self) -> bool:
        """Say whether one script runs, and has a processor beside the host's."""
        ...

    def release(self, lease: Lease) -> None:
        """Take a worker back, with what its lease says of it."""
        ...


class Loan:
    """The loan of one worker, for as long as a block runs; a class, since this is on the way of every script."""

    def __init__(self, lender: Lender) -> None:
        self._lender = lender

    async def __aenter__(self) -> Session:
        self._lease = Lease(await self._lender.acquire(), self._lender)
        return self._lease

    async def __aexit__(self, *raised: object) -> None:
        self._lease.close()
        self._lender.release(self._lease)
