"""Decides what each piece of a streaming reply sets off: text goes out, a script starts, a cut is mended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Any

from toolscript.agent.step import Call, Script, Step
from toolscript.agent.words import AfterScript
from toolscript.errors import ProviderError
from toolscript.events import Emitter, ErrorEvent, MessageDelta
from toolscript.language.detector import Detector, FormatProblem, Piece, Prose, ScriptFound
from toolscript.models.adapter import (
    Finished,
    FunctionCallDone,
    ModelEvent,
    ReasoningDelta,
    RefusalDelta,
    Restarting,
    TextDelta,
    UsageReport,
)


class Reading:
    """Reads one reply into its step; ``start`` is called with each script as soon as its closing tag is there."""

    def __init__(
        self, step: Step, emitter: Emitter, start: Callable[[Script], None], after_script: AfterScript
    ) -> None:
        self._step = step
        self._emitter = emitter
        self._start = start
        self._stop_after_script = after_script == "stop"
        self._detector = Detector()
        self._kept = 0
        """Where the last script of the reply ends: what a cut leaves of it."""

    async def read(self, events: AsyncIterator[ModelEvent]) -> None:
        """Read to the end, or to where no more is wanted; the connection is closed in any case.

        Raises ProviderError, unless a script was started: then the reply is kept up to it, and the error is
        emitted.
        """
        try:
            async with aclosing(_closable(events)) as open_events:
                async for event in open_events:
                    if not self._take(event):
                        return self._cut()
        except ProviderError as error:
            if not self._step.scripts:
                raise
            self._emitter.emit(ErrorEvent, error=error.to_json())
            return self._cut()
        return self._pieces(self._detector.finish())

    def _take(self, event: ModelEvent) -> bool:
        """Take one event in; False: nothing after it is wanted."""
        match event:
            case TextDelta():
                return self._text(event.text)
            case RefusalDelta():
                self._step.written.append(event.text)
                self._pieces([Prose(event.text)])
            case ReasoningDelta():
                self._emitter.emit(MessageDelta, text=event.text, channel="reasoning")
            case FunctionCallDone():
                self._step.calls.append(Call(event))
            case UsageReport():
                self._step.usage = event
            case Finished():
                self._step.reason, self._step.native = event.reason, event.native
            case Restarting():
                return self._restart(event)
        return True

    def _text(self, text: str) -> bool:
        self._step.written.append(text)
        self._pieces(self._detector.feed(text))
        return not (self._stop_after_script and self._step.scripts)

    def _pieces(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            match piece:
                case Prose():
                    self._step.prose.append(piece.text)
                    self._emitter.emit(MessageDelta, text=piece.text)
                case ScriptFound():
                    self._kept = piece.offset + len(piece.source) + len(f"</{piece.tag}>")
                    self._start(self._step.found(piece.source, self._kept))
                case FormatProblem():
                    self._step.problems.append(piece.error)

    def _restart(self, event: Restarting) -> bool:
        self._emitter.emit(ErrorEvent, error=event.error | {"retry_in": round(event.seconds, 3)})
        if self._step.scripts:
            return False
        self._step.void()
        self._detector = Detector()
        return True

    def _cut(self) -> None:
        self._step.written = [self._step.text[: self._kept]]
        self._step.calls.clear()
        self._step.native = ()


async def _closable(events: AsyncIterator[ModelEvent]) -> Any:
    """Give an adapter's events as a generator that closes them when it is closed."""
    try:
        async for event in events:
            yield event
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
