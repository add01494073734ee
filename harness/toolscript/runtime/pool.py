"""Decides how many workers there are, who gets one, and what becomes of it afterwards."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from types import TracebackType

import anyio
from anyio.abc import TaskGroup

from toolscript.errors import HostError, Json, PoolBusy, ToolscriptError
from toolscript.limits import Limits
from toolscript.runtime.ahead import Ahead
from toolscript.runtime.lease import Lease, Loan
from toolscript.runtime.moments import Moments
from toolscript.runtime.nursery import Nursery
from toolscript.runtime.placing import Placing, processors
from toolscript.runtime.process import WorkerProcess
from toolscript.runtime.rousing import Rousing
from toolscript.runtime.session import FacadeEntry, Session
from toolscript.runtime.sizing import check_sizes, frame_limit, full, settings_for
from toolscript.runtime.wire import facade_text

_LARGEST_FURNISHED = 64 * 1024
_PROCESSORS = len(processors())
_LATER_SECONDS, _LATEST_SECONDS = 0.002, 0.01
"""How long whoever ran a script is left alone before its worker is replaced; while enough wait, each time anew."""


class Pool:
    """Locked-down worker processes, ready before they are asked for; each serves one script, or a few.

    ``limits`` are the most that any script may be given. ``min_size`` workers wait ready, ``max_size`` scripts run at
    once, ``queue`` callers wait beyond that, each for ``queue_seconds`` at most. With ``uses_per_worker`` above 1 a
    process serves that many scripts, each in a fresh context. Workers that nobody needed for ``idle_seconds`` go, down
    to ``min_size``. ``ahead`` is a process that was begun for this pool, which ends it. Use as
    ``async with Pool(...) as pool: async with pool.checkout() as session: ...``.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        min_size: int = 1,
        max_size: int | None = None,
        queue: int = 64,
        queue_seconds: float = 600.0,
        uses_per_worker: int = 1,
        engine: str = "quickjs-ng",
        idle_seconds: float = 60.0,
        grace_seconds: float = 5.0,
        ahead: Ahead | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._max = max_size if max_size is not None else max(4, min_size, os.cpu_count() or 1)
        self._most_spares = min(self._max, max(4, min_size, os.cpu_count() or 1))
        self._min, self._queue, self._uses = min_size, queue, uses_per_worker
        self._queue_seconds = queue_seconds
        self._idle_seconds, self._grace = idle_seconds, grace_seconds
        check_sizes(self._min, self._max, queue, uses_per_worker)
        self._settings = settings_for(self._limits, engine, uses_per_worker)
        self._begun = self._settings.begun(ahead)
        self._idle: deque[WorkerProcess] = deque()
        self._busy: set[WorkerProcess] = set()
        self._starting = 0
        self._spares = self._min
        self._waiting: deque[asyncio.Future[WorkerProcess]] = deque()
        self._spent: list[WorkerProcess] = []
        self.moments = Moments()
        self._restarts: Counter[str] = Counter()
        self._scripts = 0
        self.placing = Placing()
        self._rousing = Rousing(self.placing)
        self._last_facade = ""
        self._nursery: Nursery | None = None
        self._opening = anyio.Lock()
        self._group: TaskGroup | None = None
        self._shortage = asyncio.Event()
        self._closing = False
        self._emptied = anyio.Event()
        self.filled = anyio.Event()  # once there has been a worker

    async def __aenter__(self) -> Pool:
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._cull)
        self._group.start_soon(self._tend)
        self._replenish()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None
        try:
            with anyio.CancelScope(shield=True):
                await self._drain(0.0 if kind is not None else self._grace)
            self._group.cancel_scope.cancel()
            # The body's exception is not the group's: it must not come out wrapped.
            await self._group.__aexit__(None, None, None)
        finally:
            with anyio.CancelScope(shield=True):
                await self._close()

    def checkout(self) -> AbstractAsyncContextManager[Session]:
        """Lend a worker for one script; leaving the block ends the lease.

        Waits in line when all are busy. Raises PoolBusy when the line is full or does not move, HostError when none
        can be started.
        """
        return Loan(self)

    def metrics(self) -> dict[str, Json]:
        """Return size, busy, idle, starting, waiting, scripts served, and restarts by cause."""
        return {
            "size": len(self._idle) + len(self._busy) + self._starting,
            "busy": len(self._busy),
            "idle": len(self._idle),
            "starting": self._starting,
            "waiting": len(self._waiting),
            "scripts": self._scripts,
            "restarts": dict(self._restarts),
            "pids": [worker.pid for worker in (*self._busy, *self._idle)],
        }

    async def confinement(self) -> tuple[str, ...]:
        """Return what this machine's workers could not give up; empty where they are fully confined."""
        nursery = await self._open()
        async with self.checkout() as session:
            assert isinstance(session, Lease)
            return tuple(dict.fromkeys((*nursery.missing, *session.missing)))

    # ---- lending ------------------------------------------------------------------------------------------------

    async def acquire(self) -> WorkerProcess:
        """Lend a worker; it must be released. Raises as :meth:`checkout`."""
        if self._closing or self._group is None:
            raise HostError("the pool is closed")
        if len(self._busy) < self._max and not self._waiting and (worker := self._next_idle()) is not None:
            self._rousing.began()
            return self._lend(worker)
        if len(self._waiting) >= self._queue + max(0, self._max - len(self._busy)):
            raise self._full()
        return await self._wait_in_line()

    async def exchange(self, dead: WorkerProcess) -> WorkerProcess:
        """Take back a worker that died before it did anything, and lend another, before all who wait."""
        self._busy.discard(dead)
        self._discard(dead, "died_idle")
        if (worker := self._next_idle()) is not None:
            return self._lend(worker)
        return await self._wait_in_line(first=True)

    def _lend(self, worker: WorkerProcess) -> WorkerProcess:
        self._busy.add(worker)
        self.placing.lent(self._busy)
        return worker

    def rouse(self) -> None:
        """Have the worker that comes next get ready, where it has a processor beside the host's."""
        if (worker := self._undisturbed()) is not None:
            self._rousing.rouse(worker)

    def _undisturbed(self) -> WorkerProcess | None:
        return self._idle[0] if self._idle and not self._busy and _PROCESSORS > 1 else None

    def alone(self) -> bool:
        """Say whether one script runs, and has a processor beside the host's."""
        return len(self._busy) == 1 and _PROCESSORS > 1

    async def _wait_in_line(self, *, first: bool = False) -> WorkerProcess:
        turn: asyncio.Future[WorkerProcess] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if first else self._waiting.append)(turn)
        # Somebody had to wait: keep one more ready, so that the next need not.
        self._spares = min(self._most_spares, self._spares + 1)
        self._tidy_after(0) if self._spent else self._replenish()
        alarm = asyncio.get_running_loop().call_later(self._queue_seconds, self._give_up, turn)
        try:
            return await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._give_back(turn.result())
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise
        finally:
            alarm.cancel()

    def _give_up(self, turn: asyncio.Future[WorkerProcess]) -> None:
        if not turn.done():
            turn.set_exception(self._full(f" for more than {self._queue_seconds:g} s"))

    def _full(self, how_long: str = "") -> PoolBusy:
        return full(len(self._busy), len(self._waiting), how_long)

    def _next_idle(self) -> WorkerProcess | None:
        while self._idle:
            worker = self._idle.popleft()
            if worker.link.rests() and not worker.has_ended:
                return worker
            self._discard(worker, "died_idle")
        return None

    def _give_back(self, worker: WorkerProcess) -> None:
        self._busy.discard(worker)
        self._idle.appendleft(worker)
        self._serve_line()

    def release(self, lease: Lease) -> None:
        """Take a worker back, with what its lease says of it."""
        worker = lease.worker
        self._busy.discard(worker)
        self._rousing.ended(self._undisturbed())
        if lease.started:
            self._scripts += 1
            worker.uses += 1
            worker.roused = 0
            self._expect(lease.facade)
        whole = worker.link.quiet and not self._closing
        if whole and (not lease.started or (lease.clean and worker.uses < self._uses)):
            self._keep(worker)
            self._replenish()
        else:
            self._retire(worker, lease)
        if self._closing and not self._busy:
            self._emptied.set()

    def _retire(self, worker: WorkerProcess, lease: Lease) -> None:
        """End a worker and have the next one started; a little later, where nobody waits and it does nothing."""
        self._restarts[lease.cause or ("used_up" if lease.clean else "cancelled")] += 1
        self._spent.append(worker)
        if not lease.clean:
            worker.kill()
        if not lease.clean or self._waiting:
            self._tidy_after(0)
        elif self not in self.moments or len(self._idle) >= self._spares // 2:
            self._tidy_after(_LATER_SECONDS)

    def _tidy_after(self, seconds: float) -> None:
        self.moments.wait(self, seconds, self._tidy_soon if seconds else self._tidy)

    def _tidy_soon(self) -> None:
        """Tidy up, or a little later where the next script runs already and enough workers wait for those after it."""
        if self._busy and len(self._idle) >= self._spares // 2:
            self.moments.wait(self, _LATEST_SECONDS, self._tidy)
        else:
            self._tidy()

    def _tidy(self) -> None:
        self.moments.forget(self)
        while self._spent:
            self._spent.pop().close()
        self._replenish()

    def expect(self, facade: Iterable[FacadeEntry]) -> None:
        """Say which tools scripts will have: workers that start from now on have them laid out already."""
        self._furnish(facade_text(tuple(facade)))

    def _expect(self, facade: str) -> None:
        """Expect of the next script the tools of the last, once two in a row had the same."""
        if facade == self._last_facade != self._settings.facade:
            self._furnish(facade)
        self._last_facade = facade

    def _furnish(self, facade: str) -> None:
        if len(facade) > _LARGEST_FURNISHED:
            return
        self._settings = replace(self._settings, facade=facade)
        if self._nursery is not None and self._nursery.alive:
            self._nursery.furnish(facade)

    def _discard(self, worker: WorkerProcess, cause: str) -> None:
        self._restarts[cause] += 1
        worker.close()

    def _keep(self, worker: WorkerProcess) -> None:
        worker.idle_since = anyio.current_time()
        self.filled.set()
        self._idle.append(worker)
        self._serve_line()

    def _serve_line(self) -> None:
        while self._waiting and len(self._busy) < self._max:
            if self._waiting[0].done():
                self._waiting.popleft()
            elif (worker := self._next_idle()) is not None:
                self._waiting.popleft().set_result(self._lend(worker))
            else:
                return

    # ---- breeding -----------------------------------------------------------------------------------------------

    def _replenish(self) -> None:
        """Have missing workers started; nobody waits for this, and it may be called from any callback."""
        self._shortage.set()

    async def _tend(self) -> None:
        # Tasks can only be started from within one: what notices a shortage is often a bare callback of the loop.
        while True:
            await self._shortage.wait()
            self._shortage.clear()
            self._start_missing()

    def _start_missing(self) -> None:
        self._serve_line()
        if self._closing or self._group is None:
            return
        wanted = self._spares + min(len(self._waiting), max(0, self._max - len(self._busy)))
        for _ in range(wanted - len(self._idle) - self._starting):
            self._starting += 1
            self._group.start_soon(self._breed)

    async def _breed(self) -> None:
        try:
            worker = await self._born()
        except ToolscriptError as error:
            self._restarts["start_failed"] += 1
            # One caller is told; the others' turn is the next attempt, so that a broken machine meets no storm.
            if self._waiting and not self._waiting[0].done():
                self._waiting.popleft().set_exception(error)
                self._replenish()
            return
        finally:
            self._starting -= 1
        if self._closing:
            worker.close()
            return
        worker.link.on_end = lambda: self._died_idle(worker)
        self._keep(worker)

    async def _born(self) -> WorkerProcess:
        """Return a new worker; a zygote that dies meanwhile is replaced, once."""
        nursery = await self._open()
        try:
            return await nursery.fork()
        except HostError:
            if nursery.alive:
                raise
        return await (await self._open()).fork()

    def _died_idle(self, worker: WorkerProcess) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
            self._discard(worker, "died_idle")
            self._replenish()

    async def _open(self) -> Nursery:
        async with self._opening:
            if self._nursery is not None and not self._nursery.alive:
                self._restarts["zygote"] += 1
                await self._nursery.close()
                self._nursery = None
            if self._nursery is None:
                begun, self._begun = self._begun, None
                self._nursery = await Nursery.open(self._settings, frame_limit(self._limits), begun)
                if self._nursery.furnished != self._settings.facade:  # it was told before the tools were known
                    self._nursery.furnish(self._settings.facade)
            return self._nursery

    async def _cull(self) -> None:
        while True:
            await anyio.sleep(self._idle_seconds / 2)
            self._spares = max(self._min, self._spares - 1)
            oldest = anyio.current_time() - self._idle_seconds
            while len(self._idle) > self._min and self._idle[0].idle_since < oldest:
                self._discard(self._idle.popleft(), "idle")

    # ---- ending -------------------------------------------------------------------------------------------------

    async def _drain(self, grace: float) -> None:
        """Lend no more, and give what runs a while to end."""
        self._closing = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(HostError("the pool was closed"))
        if self._busy:
            self._emptied = anyio.Event()
            with anyio.move_on_after(grace):
                await self._emptied.wait()

    async def _close(self) -> None:
        self._tidy()
        for worker in (*self._busy, *self._idle):
            worker.close()
        self._idle.clear()
        self.placing.close()
        self.moments.close()
        if self._begun is not None:
            self._begun.close()
        if self._nursery is not None:
            await self._nursery.close()
            self._nursery = None
