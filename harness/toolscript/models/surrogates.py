"""Decides what becomes of halves of characters: a server that cuts text by UTF-16 may send one in each piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from toolscript.errors import Json
from toolscript.models.adapter import (
    Finished,
    FunctionCallDone,
    ModelEvent,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
)

Delta = TextDelta | ReasoningDelta | RefusalDelta


def whole(text: str) -> str:
    """Return the text with halves put together, and those without their other half replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def whole_json(value: Json) -> Json:
    """Return the value with every text in it whole."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, list):
        return [whole_json(item) for item in value]
    if isinstance(value, dict):
        return {whole(key): whole_json(item) for key, item in value.items()}
    return value


async def mended(events: AsyncGenerator[ModelEvent, None]) -> AsyncGenerator[ModelEvent, None]:
    """Yield the events with whole characters; the first half of one waits for the next piece of its text."""
    held: Delta | None = None
    async with aclosing(events):
        async for event in events:
            if not isinstance(event, TextDelta | ReasoningDelta | RefusalDelta):
                ready, held = [held, _mended(event)], None
            elif held is not None and type(held) is type(event):
                now, held = _split(type(event)(held.text + event.text))
                ready = [now]
            else:
                before, (now, held) = held, _split(event)
                ready = [before, now]
            for given in ready:
                if given is not None:
                    yield _mended(given)


def _split(event: Delta) -> tuple[Delta | None, Delta | None]:
    """Return what can be given out now, and the half that waits."""
    if event.text and "\ud800" <= event.text[-1] <= "\udbff":
        rest, half = event.text[:-1], event.text[-1]
        return (type(event)(rest) if rest else None), type(event)(half)
    return event, None


def _mended(event: ModelEvent) -> ModelEvent:
    match event:
        case TextDelta() | ReasoningDelta() | RefusalDelta():
            return replace(event, text=whole(event.text))
        case FunctionCallDone():
            return replace(
                event, call_id=whole(event.call_id), name=whole(event.name), arguments=whole(event.arguments)
            )
        case Finished():
            return replace(event, native=tuple(whole_json(item) for item in event.native))
        case _:
            return event
