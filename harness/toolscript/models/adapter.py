"""Decides what the turn loop asks of a model and what comes back, whatever the wire API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from toolscript.errors import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage:
    """What a person said in an earlier turn, or a note of the harness; images are data URLs."""

    text: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantMessage:
    """What the model wrote; ``native`` holds what its API wants back unchanged (reasoning items, signatures)."""

    text: str
    native: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCallItem:
    """A structured call by the model, or the synthetic one that stands for a script."""

    call_id: str
    name: str
    arguments: str
    synthetic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCallOutputItem:
    """The answer to the call of the same id; images are data URLs."""

    call_id: str
    output: str
    is_error: bool = False
    images: tuple[str, ...] = ()


Reason = Literal["stop", "length", "tool_calls", "refusal", "content_filter", "pause"]
"""Why a reply ended. ``pause``: the provider interrupted its own work, and goes on when it is sent back all it said."""

Item = UserMessage | AssistantMessage | FunctionCallItem | FunctionCallOutputItem


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTool:
    """A tool offered for structured calls."""

    name: str
    description: str
    parameters: dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One step's request, in this order: instructions (with declarations), original prompt, history.

    ``instructions`` is byte-stable; ``original_prompt`` is the whole ``<original-user-prompt>`` element and stable
    within a turn, so provider caches hit.
    """

    model: str
    instructions: str
    original_prompt: str
    history: tuple[Item, ...] = ()
    tools: tuple[FunctionTool, ...] = ()
    max_output_tokens: int | None = None
    settings: dict[str, Json] = field(default_factory=dict)
    prompt: str = ""
    """The user's prompt as typed: what recordings are found by."""
    step: int = 1
    stop: tuple[str, ...] = ()
    hosted: bool = False
    """Whether the provider may run code of the model that calls these tools, where its API offers that."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The model's answer goes on."""

    text: str


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """The model says why it will not answer, where its API tells that apart; scripts in it are never run."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The model's reasoning goes on, where the provider shows it."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCallDone:
    """A structured call is complete."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """Tokens of this request as the provider counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The reply is complete; always the last event of a stream. ``native`` goes into AssistantMessage."""

    reason: Reason
    native: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarting:
    """The request failed or its reply was cut; it is sent again ``seconds`` from now.

    All events before this one are void. Whoever has acted on them (a script of this reply runs) closes the
    iterator instead of going on: then nothing is sent again.
    """

    error: dict[str, Json]
    seconds: float


ModelEvent = TextDelta | RefusalDelta | ReasoningDelta | FunctionCallDone | UsageReport | Finished | Restarting


class ModelAdapter(Protocol):
    """A model behind one wire API."""

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Yield the reply as it comes, ``Finished`` last.

        Raises ProviderError (its code says which: ``provider_auth``, ``provider_rate_limit``,
        ``context_too_long`` …) and ConfigError. Closing the iterator closes the connection.
        """
        ...

    async def aclose(self) -> None:
        """Close connections; the adapter is not used afterwards."""
        ...
