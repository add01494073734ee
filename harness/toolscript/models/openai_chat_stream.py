"""Decides what each chunk of a Chat Completions stream means to the turn loop."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from toolscript.errors import Json
from toolscript.models.adapter import Finished, ModelEvent, ReasoningDelta, UsageReport
from toolscript.models.errors import failure
from toolscript.models.openai_chat_wire import API
from toolscript.models.reply import Reply, native
from toolscript.models.thinking import Thoughts

_log = logging.getLogger(__name__)
_REASONING = ("reasoning_content", "reasoning")
"""What servers call the model's thoughts; the API itself has no name for them."""
_REASONS: dict[str, Literal["stop", "length", "tool_calls", "content_filter"]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class _Json:
    """A JSON object whose fields are read as attributes."""

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, Json]) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        try:
            return _readable(self._fields[name])
        except KeyError:
            raise AttributeError(name) from None


def _readable(value: Json) -> Any:
    if isinstance(value, dict):
        return _Json(value)
    return [_readable(item) for item in value] if isinstance(value, list) else value


@dataclass(slots=True)
class _Call:
    index: int
    call_id: str
    name: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Reader:
    """Turns the provider's chunks into our events, one reply long."""

    model: str
    reply: Reply
    thoughts: Thoughts = field(default_factory=Thoughts)
    calls: list[_Call] = field(default_factory=list)
    reasoning: dict[str, list[str]] = field(default_factory=dict)
    reason: str | None = None
    usage: UsageReport | None = None

    def read(self, chunk: Any) -> Iterator[ModelEvent]:
        """Yield what one chunk means. Raises ProviderError for what breaks the protocol."""
        chunk = _readable(chunk)
        if (usage := getattr(chunk, "usage", None)) is not None:
            self.usage = _usage(usage)
        choices = getattr(chunk, "choices", None)
        if choices is None:
            raise failure("provider_malformed", "a chunk without choices")
        for choice in choices[:1]:
            if (delta := getattr(choice, "delta", None)) is not None:
                yield from self._delta(delta)
            self.reason = getattr(choice, "finish_reason", None) or self.reason

    def finish(self) -> Iterator[ModelEvent]:
        """Yield the end of the reply. Raises ProviderError where the stream ended without saying why."""
        if self.reason is None:
            raise failure("provider_stream_cut")
        yield from self.thoughts.finish()
        yield from (self.reply.call(call.call_id, "".join(call.name), "".join(call.arguments)) for call in self.calls)
        if self.usage is not None:
            yield self.usage
        thoughts = {name: "".join(pieces) for name, pieces in self.reasoning.items()}
        yield Finished(reason=self._reason(), native=native(API, self.model, [thoughts] if thoughts else []))

    def _delta(self, delta: Any) -> Iterator[ModelEvent]:
        for name in _REASONING:
            if isinstance(thought := getattr(delta, name, None), str) and thought:
                self.reply.count(thought)
                self.reasoning.setdefault(name, []).append(thought)
                yield ReasoningDelta(thought)
                break
        if text := _str(delta, "content"):
            self.reply.count(text)
            yield from self.thoughts.feed(text)
        if refusal := _str(delta, "refusal"):
            yield self.reply.refusal(refusal)
        for piece in getattr(delta, "tool_calls", None) or ():
            self._call(piece)

    def _call(self, piece: Any) -> None:
        index, call_id = getattr(piece, "index", None), _str(piece, "id")
        known = next((call for call in reversed(self.calls) if call.index == index), None)
        if known is None or (call_id and call_id != known.call_id):
            # Some servers number all calls 0 and tell them apart by their ids.
            known = self._begun(index, call_id)
        function = getattr(piece, "function", None)
        for pieces, text in ((known.name, _str(function, "name")), (known.arguments, _str(function, "arguments"))):
            self.reply.count(text)
            pieces.append(text)

    def _begun(self, index: Any, call_id: str) -> _Call:
        if not isinstance(index, int) or not 0 <= index <= len(self.calls):
            raise failure("provider_malformed", f"a function call numbered {index!r} out of order")
        if any(call.call_id == call_id for call in self.calls):
            raise failure("provider_malformed", f"two function calls with the id {call_id!r}")
        call = _Call(index, call_id or f"call-{len(self.calls) + 1}")
        self.calls.append(call)
        return call

    def _reason(self) -> Literal["stop", "length", "tool_calls", "refusal", "content_filter"]:
        if self.reason not in _REASONS:
            _log.warning("the reply ended for the unknown reason %r", self.reason)
        if self.reply.refused:
            return "refusal"
        reason = _REASONS.get(self.reason or "", "stop")
        return "tool_calls" if reason == "stop" and self.calls else reason


def _str(holder: Any, name: str) -> str:
    value = getattr(holder, name, None)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise failure("provider_malformed", f"{name} that is no text")
    return value


def _usage(usage: Any) -> UsageReport:
    prompt = getattr(usage, "prompt_tokens_details", None)
    completion = getattr(usage, "completion_tokens_details", None)
    return UsageReport(
        input_tokens=getattr(usage, "prompt_tokens", None) or 0,
        output_tokens=getattr(usage, "completion_tokens", None) or 0,
        cached_tokens=getattr(prompt, "cached_tokens", None) or 0,
        reasoning_tokens=getattr(completion, "reasoning_tokens", None) or 0,
    )
