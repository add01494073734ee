"""Decides how the calls of a run go side by side: each begins at once, and none outlives the run."""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextvars import Context
from types import TracebackType
from typing import Any

from anyio import CancelScope

Work = Coroutine[Any, Any, None]


class Crew:
    """Coroutines that are waited for, and cancelled, together. Use as ``async with Crew() as crew``.

    Each takes its first step when it begins. One that need not wait has ended then, which spares it a task and turns of
    the loop; another goes on in the task in which it began. Cancelling :attr:`scope` ends all of them, shielded parts
    excepted, as in a task group. They must not raise: there is nobody to tell.
    """

    def __init__(self) -> None:
        self.scope = CancelScope()
        self._closed = False
        self._hands: set[_Hand] = set()
        self._free: list[_Hand] = []

    async def __aenter__(self) -> Crew:
        self.scope.__enter__()
        self._host = asyncio.current_task()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._closed = True
        for hand in self._free:
            hand.wake()
        if error is not None:
            self.cancel()
        cut = await self._ended() if len(self._hands) > len(self._free) else None
        if error is not None or cut is None:
            return self.scope.__exit__(kind, error, trace)
        if not self.scope.__exit__(type(cut), cut, cut.__traceback__):
            raise cut
        return None

    def prepare(self) -> None:
        """Have a task come up in whose name first steps can be taken; without one, what begins does so a turn later."""
        self._hire(None)

    def cancel(self) -> None:
        """Cancel all that has begun and not ended."""
        for hand in self._hands.difference(self._free):
            hand.scope.cancel()

    def begin(self, *works: Work) -> None:
        """Begin them in this order; when this returns each has ended, or goes on as a task."""
        left = iter(works)
        while self._free:
            hand = self._free.pop()
            if hand.begin(left, self._host):
                self._free.append(hand)
                return
        for work in left:
            self._hire(work)

    def _hire(self, work: Work | None) -> None:
        hand = _Hand(work, self._rest)
        self._hands.add(hand)
        hand.task.add_done_callback(lambda task: self._gone(hand))

    def _gone(self, hand: _Hand) -> None:
        self._hands.discard(hand)
        if hand in self._free:
            self._free.remove(hand)

    def _rest(self, hand: _Hand) -> bool:
        """Take note that a hand is free; says whether there may be more to do."""
        if not self._closed:
            self._free.append(hand)
        return not self._closed

    async def _ended(self) -> asyncio.CancelledError | None:
        """Wait until all have ended; a cancellation meanwhile cancels them, and is returned."""
        cut: asyncio.CancelledError | None = None
        with CancelScope(shield=True) as waiting:
            waiting.shield = False
            while busy := [hand.task for hand in self._hands.difference(self._free)]:
                try:
                    await asyncio.wait(busy)
                except asyncio.CancelledError as error:
                    cut, waiting.shield = cut or error, True
                    self.cancel()
        return cut


class _Hand:
    """A task in whose name first steps are taken, and which goes on with what must wait."""

    def __init__(self, work: Work | None, rest: Callable[[_Hand], bool]) -> None:
        self.scope = CancelScope()
        self._begun: _Begun | None = None
        self._rest = rest
        self._loop = asyncio.get_running_loop()
        self.task = self._loop.create_task(self._serve(work))

    async def _serve(self, work: Work | None) -> None:
        with self.scope:
            if work is not None:
                await work
            while self._rest(self):
                self._given, self._begun = _Given(loop=self._loop), None
                cut: BaseException | None = None
                try:
                    await self._given
                except asyncio.CancelledError as error:
                    if self._begun is None:
                        raise
                    cut = error
                if self._begun is None:
                    return
                self._begun.cut = cut
                await self._begun
                if self.task.cancelling():
                    return  # what was meant for that must not reach another

    def begin(self, works: Iterator[Work], host: asyncio.Task[Any] | None) -> bool:
        """Take the first step of each coroutine, called by another task, until one waits; says whether none does."""
        assert host is not None
        _leave_task(self._loop, host)
        _enter_task(self._loop, self.task)
        try:
            return all(map(self._ends, works))
        finally:
            _leave_task(self._loop, self.task)
            _enter_task(self._loop, host)

    def _ends(self, work: Work) -> bool:
        """Take the first step of a coroutine; says whether it has ended, and this is still free for another."""
        try:
            waits = self._given.context.run(work.send, None)
        except (StopIteration, asyncio.CancelledError):
            return not self._given.done()
        if _is_future(waits):
            waits._asyncio_future_blocking = False  # until its task asks for it: others may await it meanwhile
        self._begun = _Begun(work, waits)
        self.wake()
        return False

    def wake(self) -> None:
        """Let the task go on with what has begun, or end where nothing has."""
        if not self._given.done():
            self._given.set_result(None)


def _is_future(waits: Any) -> bool:
    return getattr(waits, "_asyncio_future_blocking", None) is not None


class _Given(asyncio.Future[None]):
    """What a hand is given to go on with; knows the context of the task that waits for it."""

    context: Context

    def add_done_callback(self, fn: Callable[..., object], /, *, context: Context | None = None) -> None:
        """Keep the context, in which first steps must be taken: what they set there, later steps find and reset."""
        if context is not None:
            self.context = context
        super().add_done_callback(fn, context=context)


class _Begun:
    """A coroutine that has taken its first step and now waits for something."""

    def __init__(self, work: Work, waits: Any) -> None:
        self._work = work
        self._waits = waits
        self.cut: BaseException | None = None

    def __await__(self) -> Generator[Any, Any, None]:
        work, waits = self._work, self._waits
        if self.cut is not None:
            try:
                waits = work.throw(self.cut)
            except StopIteration:
                return
        elif _is_future(waits):
            waits._asyncio_future_blocking = True  # somebody else may have begun to wait for it meanwhile
        while True:
            try:
                try:
                    given = yield waits
                except GeneratorExit:
                    work.close()
                    raise
                except BaseException as error:
                    waits = work.throw(error)
                else:
                    waits = work.send(given)
            except StopIteration:
                return
