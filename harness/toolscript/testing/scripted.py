"""Decides what a model says in a test: what the test wrote down, step after step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import anyio.lowlevel

from toolscript.models.adapter import Finished, FunctionCallDone, ModelEvent, ModelRequest, TextDelta

Step = str | Exception | Sequence[ModelEvent | Exception] | Callable[[ModelRequest], "Step"]
"""A reply: its text, its events (an exception is raised at its place), or a function of the request."""


class ScriptedModel:
    """A ModelAdapter that plays steps one after the other and keeps the requests it was sent.

    ``chunk`` splits texts into deltas of that many characters; None sends each whole.
    """

    def __init__(self, steps: Iterable[Step], *, chunk: int | None = None) -> None:
        self._steps = list(steps)
        self._chunk = chunk
        self.requests: list[ModelRequest] = []
        self.closed = 0
        """How many streams were closed before their end."""

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Play the next step. Raises AssertionError when no step is left."""
        self.requests.append(request)
        assert len(self.requests) <= len(self._steps), f"the model was asked {len(self.requests)} times"
        step = self._steps[len(self.requests) - 1]
        while callable(step):
            step = step(request)
        return self._play(step)

    async def aclose(self) -> None:
        """Nothing is open."""

    async def _play(self, step: Step) -> AsyncIterator[ModelEvent]:
        ended = False
        try:
            for event in self._events(step):
                await anyio.lowlevel.checkpoint()
                if isinstance(event, Exception):
                    ended = True
                    raise event
                ended = isinstance(event, Finished)
                yield event
            ended = True
        finally:
            self.closed += not ended

    def _events(self, step: Step) -> Iterable[ModelEvent | Exception]:
        if isinstance(step, Exception):
            return [step]
        if isinstance(step, str):
            size = self._chunk or max(1, len(step))
            deltas = [TextDelta(step[i : i + size]) for i in range(0, len(step), size)]
            return [*deltas, Finished(reason="stop")]
        assert not callable(step)
        calls = any(isinstance(event, FunctionCallDone) for event in step)
        whole = any(isinstance(event, Finished | Exception) for event in step)
        return [*step, *([] if whole else [Finished(reason="tool_calls" if calls else "stop")])]
