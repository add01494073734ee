"""Decides what a model says that was recorded: the same words for the same prompt, while the tools are live."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Literal

import anyio.lowlevel
import pydantic
from pydantic import BaseModel, ConfigDict, Field

from toolscript import misfits
from toolscript.errors import ConfigError, Json, ProviderError
from toolscript.models.adapter import (
    Finished,
    FunctionCallDone,
    ModelEvent,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    UsageReport,
)
from toolscript.models.settings import ProviderSettings

_SHOWN = 12
_MIME = "application/vnd.toolscript.run+json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RecordedCall(_Frozen):
    """A structured call that the model made."""

    name: str
    arguments: dict[str, Json] = Field(default_factory=dict)


class RecordedStep(_Frozen):
    """One reply. ``text`` may be a list of lines; ``chunk`` is how many characters come at a time."""

    text: str | list[str] = ""
    reasoning: str = ""
    calls: tuple[RecordedCall, ...] = ()
    chunk: int = Field(default=32, ge=1)
    usage: dict[str, int] = Field(default_factory=dict)
    reason: Literal["stop", "length", "refusal", "content_filter"] = "stop"


class RecordedTurn(_Frozen):
    """What the model said to one prompt, step by step; a step may be written as a bare string."""

    prompt: str
    steps: tuple[str | RecordedStep, ...] = Field(min_length=1)


class Recording(_Frozen):
    """One file of recordings."""

    version: Literal[1] = 1
    about: str = ""
    recordings: tuple[RecordedTurn, ...]


def shipped() -> tuple[Recording, ...]:
    """Return the recordings of the package, for the quickstart notebook."""
    folder = importlib.resources.files("toolscript.models.recordings")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name)
    return tuple(_parsed(f.read_text("utf-8"), f.name) for f in files)


def load(path: Path) -> Recording:
    """Return the recordings in a file, or the turns of an executed notebook.

    Raises ConfigError naming the file and the place in it.
    """
    try:
        text = path.read_text("utf-8")
        return _parsed(_turns_of(text, path) if path.suffix == ".ipynb" else text, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the recordings in {path}: {error}") from None


def _turns_of(text: str, path: Path) -> str:
    """Return the turns that a saved notebook holds in the metadata of its outputs, as a file of recordings."""
    try:
        cells = json.loads(text)["cells"]
        metadata = [(output.get("metadata") or {}).get(_MIME) for cell in cells for output in cell.get("outputs", ())]
        turns = [facts["turn"] for facts in metadata if isinstance(facts, dict) and "turn" in facts]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} is no notebook: {error!r}") from None
    return json.dumps({"version": 1, "recordings": turns})


def _parsed(text: str, name: str) -> Recording:
    try:
        return Recording.model_validate_json(text)
    except pydantic.ValidationError as error:
        raise ConfigError(f"{name} holds no recordings: {misfits.told(error, whole='the file', most=1)}") from None


class RecordedAdapter:
    """Says again what was recorded, found by the prompt with its whitespace evened out.

    Later recordings win over earlier ones, and all win over those of the package.
    """

    def __init__(
        self, settings: ProviderSettings | None = None, *, recordings: Iterable[Recording | Path] = ()
    ) -> None:
        self._turns: dict[str, RecordedTurn] = {}
        files = settings.recordings if settings is not None else ()
        for recording in (*shipped(), *files, *recordings):
            self.add(recording)

    def add(self, recording: Recording | Path | Mapping[str, Json]) -> None:
        """Know these recordings too: a file, or what such a file would hold. Raises ConfigError."""
        if isinstance(recording, Path):
            recording = load(recording)
        elif not isinstance(recording, Recording):
            recording = _parsed(pydantic.TypeAdapter(dict[str, Json]).dump_json(dict(recording)).decode(), "recording")
        self._turns |= {_evened(turn.prompt): turn for turn in recording.recordings}

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts that have a recording."""
        return tuple(turn.prompt for turn in self._turns.values())

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Yield the recorded reply. Raises ProviderError ``no_recording`` naming the prompts that there are."""
        return _spoken(self._step(request), request.step)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _step(self, request: ModelRequest) -> RecordedStep:
        turn = self._turns.get(_evened(request.prompt))
        if turn is None:
            raise self._unknown(request.prompt)
        if request.step > len(turn.steps):
            raise _no_recording(f"the recording of {turn.prompt!r} has {len(turn.steps)} steps, not {request.step}")
        step = turn.steps[request.step - 1]
        return RecordedStep(text=step) if isinstance(step, str) else step

    def _unknown(self, prompt: str) -> ProviderError:
        known = [f"  - {p}" for p in self.prompts[-_SHOWN:]]
        more = [f"  … and {len(self.prompts) - _SHOWN} more"] if len(self.prompts) > _SHOWN else []
        lines = [f"nothing is recorded for {_short(prompt)!r}; recorded prompts are:", *known, *more]
        return _no_recording("\n".join(lines))


def _no_recording(what: str) -> ProviderError:
    way_out = (
        "For any other prompt use a live model: set OPENAI_API_KEY or ANTHROPIC_API_KEY, or choose an agent with a"
        " model of yours in toolscript.toml."
    )
    return ProviderError(f"{what}\n{way_out}", code="no_recording")


async def _spoken(step: RecordedStep, place: int) -> AsyncIterator[ModelEvent]:
    text = step.text if isinstance(step.text, str) else "\n".join(step.text)
    if step.reasoning:
        yield ReasoningDelta(step.reasoning)
    for start in range(0, len(text), step.chunk):
        # A live stream gives others their turn between chunks; so does this one.
        await anyio.lowlevel.checkpoint()
        yield TextDelta(text[start : start + step.chunk])
    for number, call in enumerate(step.calls, start=1):
        arguments = pydantic.TypeAdapter(dict[str, Json]).dump_json(call.arguments).decode()
        yield FunctionCallDone(call_id=f"recorded-{place}-{number}", name=call.name, arguments=arguments)
    if step.usage:
        yield UsageReport(**step.usage)
    yield Finished(reason="tool_calls" if step.calls else step.reason)


def _evened(prompt: str) -> str:
    return " ".join(prompt.split())


def _short(prompt: str, limit: int = 200) -> str:
    return prompt if len(prompt) <= limit else prompt[:limit] + "…"
