"""Decides whose call a server's question belongs to, and how a call's time stands still while a person thinks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import anyio

from toolscript.errors import ApprovalDenied
from toolscript.registry.context import Answer, Question, ToolContext
from toolscript_tools.mcp.clean import clean

QUESTIONS = 8
"""Questions of one server that may be open at once."""

PROGRESS = 1_000
"""Progress lines of one call that are passed on."""


class Call:
    """One call on its way: its context, its deadline, and the questions that the server asks meanwhile."""

    def __init__(self, context: ToolContext, seconds: float) -> None:
        self.context = context
        self.scope = anyio.CancelScope(deadline=anyio.current_time() + seconds)
        self.denied: ApprovalDenied | None = None
        """Set when the person who was asked something wants the call to end."""
        self._left = seconds
        self._open: set[anyio.CancelScope] = set()
        self._lines = 0

    async def ask(self, question: Question) -> Answer:
        """Ask the person behind the call; the call's time stands still. The question ends with the call.

        Where the person denies it all, the call ends, and the server is told that the question was cancelled.
        """
        if not self._open:
            self._left = self.scope.deadline - anyio.current_time()
            self.scope.deadline = math.inf
        answer = Answer(action="cancel")
        with anyio.CancelScope() as scope:
            self._open.add(scope)
            try:
                answer = await self.context.ask(question)
            except ApprovalDenied as error:
                self.denied = error
                self.scope.cancel()
            finally:
                self._open.discard(scope)
                if not self._open:
                    self.scope.deadline = anyio.current_time() + self._left
        return answer

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        """Pass progress on, up to a number of lines."""
        self._lines += 1
        if self._lines <= PROGRESS:
            amount = f"{progress:g}" if total is None else f"{progress:g}/{total:g}"
            self.context.emit("progress", f"{amount} {clean(message or '', 500)}".rstrip() + "\n")

    def close(self) -> None:
        """Take back what is still being asked."""
        for scope in tuple(self._open):
            scope.cancel()


_current: ContextVar[Call | None] = ContextVar("the call whose task this is", default=None)


class Calls:
    """The calls that are on their way to one server."""

    def __init__(self) -> None:
        self._running: list[Call] = []
        self._questions = 0

    def __len__(self) -> int:
        return len(self._running)

    @property
    def current(self) -> Call:
        """The call whose task this is."""
        call = _current.get()
        assert call is not None
        return call

    @contextmanager
    def running(self, context: ToolContext, seconds: float) -> Iterator[Call]:
        """Hold one call while it runs; the block is cancelled when its time is over.

        Raises ApprovalDenied when a person was asked something meanwhile and denied the whole call.
        """
        call = Call(context, seconds)
        token = _current.set(call)
        self._running.append(call)
        try:
            with call.scope:
                yield call
            if call.denied is not None:
                raise call.denied
        finally:
            self._running.remove(call)
            _current.reset(token)
            call.close()

    async def ask(self, question: Question) -> Answer | None:
        """Ask the person to whom the question belongs; None where that cannot be told, or too much is asked.

        A question that comes back with its call belongs to that. One that comes by itself belongs to the newest call,
        if all that run are of one conversation: it must not reach somebody else.
        """
        call = _current.get() if _current.get() in self._running else self._newest()
        if call is None or self._questions >= QUESTIONS:
            return None
        self._questions += 1
        try:
            return await call.ask(question)
        finally:
            self._questions -= 1

    def _newest(self) -> Call | None:
        conversations = {call.context.conversation_id or call.context.run_id for call in self._running}
        return self._running[-1] if len(conversations) == 1 else None
