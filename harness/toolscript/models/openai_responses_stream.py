"""Decides what each event of an OpenAI Responses stream means to the turn loop."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from toolscript.errors import Json
from toolscript.models.adapter import Finished, ModelEvent, ReasoningDelta, UsageReport
from toolscript.models.errors import failure, from_event
from toolscript.models.openai_responses_wire import API
from toolscript.models.reply import Reply, native

_log = logging.getLogger(__name__)
_PROGRAM = frozenset({"program", "program_output"})
"""Code of the model that the provider runs, and what it came to."""
_KNOWN_ITEMS = frozenset({"message", "reasoning", "function_call"}) | _PROGRAM
Reason = Literal["stop", "length", "tool_calls", "refusal", "content_filter"]


@dataclass(slots=True)
class Reader:
    """Turns the provider's events into ours, one reply long."""

    model: str
    reply: Reply
    items: dict[int, Json] = field(default_factory=dict)

    def read(self, event: Any) -> Iterator[ModelEvent]:
        """Yield what one event means. Raises ProviderError for error events and for what breaks the protocol."""
        kind = getattr(event, "type", None)
        if not isinstance(kind, str):
            raise failure("provider_malformed", "an event without a type")
        match kind:
            case "response.output_text.delta":
                yield self.reply.text(_text(event, "delta"))
            case "response.refusal.delta":
                yield self.reply.refusal(_text(event, "delta"))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self.reply.count(_text(event, "delta"))
                yield ReasoningDelta(event.delta)
            case "response.reasoning_summary_part.added":
                yield from [ReasoningDelta("\n\n")] if getattr(event, "summary_index", 0) else []
            case "response.output_item.added":
                yield from self._added(event)
            case "response.output_item.done":
                yield from self._done(event)
            case "response.completed" | "response.incomplete":
                yield from self._finished(event.response)
            case "response.failed" | "error":
                raise _failed(event)

    def finish(self) -> Iterator[ModelEvent]:
        """Yield nothing: the stream itself says when it is finished."""
        yield from ()

    def _added(self, event: Any) -> Iterator[ModelEvent]:
        if getattr(event.item, "type", None) == "message" and (seam := self.reply.seam()):
            yield self.reply.text(seam)

    def _done(self, event: Any) -> Iterator[ModelEvent]:
        item = _plain(event.item)
        kind = item.get("type")
        if kind not in _KNOWN_ITEMS:
            _log.warning("the provider sent an output item of the unknown type %r; kept and ignored", kind)
        if kind == "function_call":
            yield self.reply.call(item.get("call_id"), item.get("name"), item.get("arguments"))
        if kind == "program":
            # The provider runs it: to us it is how the model came to its calls.
            yield ReasoningDelta(f"\n{item.get('code', '')}\n")
        if (kept := _sent_back(item)) is not None:
            self.items[int(event.output_index)] = kept

    def _finished(self, response: Any) -> Iterator[ModelEvent]:
        if (usage := getattr(response, "usage", None)) is not None:
            yield _usage(_plain(usage))
        items = [self.items[index] for index in sorted(self.items)]
        yield Finished(reason=self._reason(response), native=native(API, self.model, items))

    def _reason(self, response: Any) -> Reason:
        details = getattr(response, "incomplete_details", None)
        if (why := getattr(details, "reason", None)) is not None:
            if why not in ("max_output_tokens", "content_filter"):
                _log.warning("the reply is incomplete for the unknown reason %r", why)
            return "content_filter" if why == "content_filter" else "length"
        if self.reply.refused:
            return "refusal"
        return "tool_calls" if self.reply.calls else "stop"


def _plain(value: Any) -> dict[str, Json]:
    """Return an SDK's object as it was on the wire."""
    dumped = value.model_dump(mode="json", exclude_unset=True) if hasattr(value, "model_dump") else value
    if not isinstance(dumped, dict):
        raise failure("provider_malformed", "an item that is no object")
    return dumped


def _text(event: Any, name: str) -> str:
    value = getattr(event, name, None)
    if not isinstance(value, str):
        raise failure("provider_malformed", f"{event.type} without {name}")
    return value


def _sent_back(item: dict[str, Json]) -> dict[str, Json] | None:
    """Return the item as the next request carries it; None for reasoning that cannot be sent back.

    Ids name items stored at the provider, and nothing is stored; only encrypted reasoning keeps its own.
    """
    if item.get("type") == "reasoning":
        return item if item.get("encrypted_content") else None
    if item.get("type") in _PROGRAM:
        return item
    return {name: value for name, value in item.items() if name != "id"}


def _usage(usage: dict[str, Json]) -> UsageReport:
    return UsageReport(
        input_tokens=usage.get("input_tokens") or 0,
        output_tokens=usage.get("output_tokens") or 0,
        cached_tokens=(usage.get("input_tokens_details") or {}).get("cached_tokens") or 0,
        reasoning_tokens=(usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0,
    )


def _failed(event: Any) -> Exception:
    error = getattr(getattr(event, "response", None), "error", None) or event
    return from_event(getattr(error, "code", None), getattr(error, "message", None))
