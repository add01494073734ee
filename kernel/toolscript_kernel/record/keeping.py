"""Decides what a cell takes from its harness when it has ended, so that the saved notebook replays without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from toolscript.errors import Json, ToolscriptError
from toolscript_kernel.record.transcript import Transcript

if TYPE_CHECKING:
    from toolscript.harness import Harness


def kept(harness: Harness, transcript: Transcript) -> Transcript:
    """Return the transcript with the tapes of its runs, and the model's replies if it is a turn.

    A run that was refused or only planned has no tape; one whose journal cannot be read is saved without.
    """
    tapes: dict[str, Json] = {}
    for script in transcript.scripts:
        with suppress(ToolscriptError, OSError):
            if (tape := harness.recording(script.run.run_id)) is not None:
                tapes[script.run.run_id] = tape
    replies = tuple(_steps(_items(harness, transcript))) if transcript.prompt is not None else ()
    return replace(transcript, tapes=tapes, replies=replies)


def _items(harness: Harness, transcript: Transcript) -> Iterable[Any]:
    turns = harness.conversation.turns
    return turns[-1].items if turns and turns[-1].prompt == transcript.prompt else ()


def _steps(items: Iterable[Any]) -> Iterator[dict[str, Json]]:
    """Yield what the model said, in the form of a file of recordings: a reply of each step, with its calls."""
    from toolscript.models.adapter import AssistantMessage, FunctionCallItem

    step: dict[str, Json] = {}
    answered = False
    for item in items:
        begins = isinstance(item, AssistantMessage) or (isinstance(item, FunctionCallItem) and not item.synthetic)
        if begins and step and (answered or isinstance(item, AssistantMessage)):
            yield step
            step = {}
        match item:
            case AssistantMessage():
                step, answered = {"text": item.text}, False
            case FunctionCallItem(synthetic=False):
                step = {"text": "", **step}
                step["calls"] = [*step.get("calls", []), {"name": item.name, "arguments": _arguments(item.arguments)}]
                answered = False
            case _:
                answered = True
    if step:
        yield step


def _arguments(text: str) -> Json:
    from toolscript.texts import loads

    try:
        return loads(text)
    except ValueError:
        return {}
