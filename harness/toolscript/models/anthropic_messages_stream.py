"""Decides what each event of an Anthropic Messages stream means to the turn loop."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from toolscript.errors import Json
from toolscript.models.adapter import Finished, ModelEvent, Reason, ReasoningDelta, UsageReport
from toolscript.models.anthropic_messages_wire import API
from toolscript.models.errors import failure
from toolscript.models.reply import Reply, native

_log = logging.getLogger(__name__)
_REASONS: dict[str, Reason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "pause",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
_KNOWN_BLOCKS = frozenset(
    {"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "code_execution_tool_result"}
)


@dataclass(slots=True)
class _Block:
    kind: str
    wire: dict[str, Json]
    pieces: dict[str, list[str]] = field(default_factory=dict)
    """What has come of each of its texts; put together once, since a long one comes in very many pieces."""
    open: bool = True
    sound: bool = True
    """Whether all of it is known, so that it can be sent back."""

    def add(self, name: str, piece: str) -> None:
        """Take the next piece of one of its texts."""
        self.pieces.setdefault(name, []).append(piece)

    def taken(self, name: str) -> str:
        """Return the pieces of one text as one, and forget them."""
        return "".join(self.pieces.pop(name, ()))

    def gather(self) -> dict[str, Json]:
        """Return the block as it is on the wire, with all that has come of it."""
        for name in ("text", "thinking", "signature"):
            if name in self.pieces:
                self.wire[name] = self.wire.get(name, "") + self.taken(name)
        return self.wire


@dataclass(slots=True)
class Reader:
    """Turns the provider's events into ours, one reply long."""

    model: str
    reply: Reply
    blocks: list[_Block] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    reason: str | None = None
    container: str | None = None

    def read(self, event: Any) -> Iterator[ModelEvent]:
        """Yield what one event means. Raises ProviderError for what breaks the protocol."""
        kind = getattr(event, "type", None)
        if not isinstance(kind, str):
            raise failure("provider_malformed", "an event without a type")
        match kind:
            case "message_start":
                self._count(getattr(event.message, "usage", None))
                self._contained(event.message)
            case "content_block_start":
                yield from self._start(event)
            case "content_block_delta":
                yield from self._delta(self._block(event), event.delta)
            case "content_block_stop":
                yield from self._stop(self._block(event))
            case "message_delta":
                self._count(getattr(event, "usage", None))
                self.reason = getattr(event.delta, "stop_reason", None) or self.reason
                self._contained(event.delta)
            case "message_stop":
                yield self._report()
                kept = native(API, self.model, self._sent_back(), container=self.container)
                yield Finished(reason=self._reason(), native=kept)

    def finish(self) -> Iterator[ModelEvent]:
        """Yield nothing: the stream itself says when it is finished."""
        yield from ()

    def _start(self, event: Any) -> Iterator[ModelEvent]:
        if event.index != len(self.blocks):
            raise failure("provider_malformed", f"the content block {event.index!r} out of order")
        wire = event.content_block.model_dump(mode="json", exclude_unset=True)
        block = _Block(str(wire.get("type")), wire)
        self.blocks.append(block)
        if block.kind not in _KNOWN_BLOCKS:
            _log.warning("the provider sent a content block of the unknown type %r; kept and ignored", block.kind)
        if block.kind == "text":
            begin = self.reply.seam() + wire.get("text", "")
            yield from [self.reply.text(begin)] if begin else []

    def _block(self, event: Any) -> _Block:
        if not isinstance(event.index, int) or not 0 <= event.index < len(self.blocks):
            raise failure("provider_malformed", f"an event for the unknown content block {event.index!r}")
        block = self.blocks[event.index]
        if not block.open:
            raise failure("provider_malformed", f"an event for the finished content block {event.index}")
        return block

    def _delta(self, block: _Block, delta: Any) -> Iterator[ModelEvent]:
        match getattr(delta, "type", None), block.kind:
            case "text_delta", "text":
                block.add("text", _str(delta, "text"))
                yield self.reply.text(delta.text)
            case "thinking_delta", "thinking":
                self.reply.count(_str(delta, "thinking"))
                block.add("thinking", delta.thinking)
                yield ReasoningDelta(delta.thinking)
            case "signature_delta", "thinking":
                self.reply.count(_str(delta, "signature"))
                block.add("signature", delta.signature)
            case "input_json_delta", "tool_use" | "server_tool_use":
                self.reply.count(_str(delta, "partial_json"))
                block.add("arguments", delta.partial_json)
            case other:
                block.sound = False
                _log.warning("the provider sent an unknown change %r; ignored", other)

    def _stop(self, block: _Block) -> Iterator[ModelEvent]:
        block.open = False
        block.gather()
        arguments = block.taken("arguments")
        if block.kind == "server_tool_use":
            block.wire["input"] = _object(arguments) if arguments else block.wire.get("input") or {}
            # The provider runs it: to us it is how the model came to its calls.
            yield ReasoningDelta(f"\n{block.wire['input'].get('code', '')}\n")
        if block.kind == "tool_use":
            arguments = arguments or json.dumps(block.wire.get("input") or {})
            block.wire["input"] = _object(arguments)
            yield self.reply.call(block.wire.get("id"), block.wire.get("name"), arguments)

    def _sent_back(self) -> list[Json]:
        """Return the blocks as the next request carries them; thoughts only with their signature."""
        return [wire for block in self.blocks if (wire := block.gather()) and block.sound and _whole(block)]

    def _contained(self, holder: Any) -> None:
        """Note where the provider runs the model's code."""
        found = getattr(getattr(holder, "container", None), "id", None)
        self.container = found if isinstance(found, str) else self.container

    def _count(self, usage: Any) -> None:
        for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"):
            if isinstance(value := getattr(usage, name, None), int):
                self.usage[name] = value
        details = getattr(usage, "output_tokens_details", None)
        if isinstance(thinking := getattr(details, "thinking_tokens", None), int):
            self.usage["thinking"] = thinking

    def _report(self) -> UsageReport:
        read = self.usage.get("cache_read_input_tokens", 0)
        written = self.usage.get("cache_creation_input_tokens", 0)
        return UsageReport(
            input_tokens=self.usage.get("input_tokens", 0) + read + written,
            output_tokens=self.usage.get("output_tokens", 0),
            cached_tokens=read,
            reasoning_tokens=self.usage.get("thinking", 0),
        )

    def _reason(self) -> Reason:
        if self.reason not in _REASONS:
            _log.warning("the reply ended for the unknown reason %r", self.reason)
        return _REASONS.get(self.reason or "", "tool_calls" if self.reply.calls else "stop")


def _whole(block: _Block) -> bool:
    match block.kind:
        case "text":
            return bool(block.wire.get("text", "").strip())
        case "thinking":
            return bool(block.wire.get("signature"))
        case _:
            return not block.open


def _str(delta: Any, name: str) -> str:
    value = getattr(delta, name, None)
    if not isinstance(value, str):
        raise failure("provider_malformed", f"{delta.type} without {name}")
    return value


def _object(arguments: str) -> Json:
    try:
        value = json.loads(arguments)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
