"""The three wire APIs in one vocabulary: what a server sends for the same reply, and the adapter that reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from tests.harness.models.server import sse

from toolscript.models.anthropic_messages import AnthropicMessagesAdapter
from toolscript.models.openai_chat import OpenAIChatAdapter
from toolscript.models.openai_responses import OpenAIResponsesAdapter
from toolscript.models.settings import ProviderSettings, RetryPolicy

KEY = "sk-canary-0123456789"


@dataclass(frozen=True)
class Text:
    deltas: tuple[str, ...]

    def __init__(self, *deltas: str) -> None:
        object.__setattr__(self, "deltas", deltas)


@dataclass(frozen=True)
class Thought:
    text: str


@dataclass(frozen=True)
class Refusal:
    text: str


@dataclass(frozen=True)
class Asked:
    name: str
    arguments: str = "{}"
    call_id: str = "call_1"


Part = Text | Thought | Refusal | Asked


class Wire:
    name: str
    kind: type
    path: str

    def adapter(self, url: str | None, *, key: str = KEY, **fields: Any) -> Any:
        secret = SecretStr(key) if key else None
        fields = {"retry": RetryPolicy(base=0.001)} | fields
        return self.kind(ProviderSettings(base_url=url, api_key=secret, key_name="THE_KEY", **fields))

    def reply(self, *parts: Part, reason: str = "stop") -> bytes:
        """Return the bytes of a whole stream; 100 tokens in, 64 of them cached, 20 out."""
        return self.begun(*parts) + self.end(reason, calls=any(isinstance(p, Asked) for p in parts))

    def begun(self, *parts: Part) -> bytes:
        """Return the bytes of a stream that has no end yet."""
        return self.sse([*self.head(), *(event for i, part in enumerate(parts) for event in self.part(part, i))])

    def sse(self, events: Iterable[dict]) -> bytes:
        return sse(*events)

    def head(self) -> list[dict]:
        raise NotImplementedError

    def part(self, part: Part, index: int) -> list[dict]:
        raise NotImplementedError

    def end(self, reason: str, *, calls: bool) -> bytes:
        raise NotImplementedError

    def open_text(self) -> list[dict]:
        """Return the events that come before the first piece of a text."""
        return [e for e in self.part(Text("x"), 0) if "x" not in str(e.get("delta", ""))][:1]

    def text_delta(self, text: str) -> dict:
        return next(e for e in self.part(Text(text), 0) if text in str(e.get("delta", e)))

    def error_event(self, kind: str, message: str) -> bytes:
        raise NotImplementedError

    def error_body(self, kind: str, message: str) -> dict:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.name


class Responses(Wire):
    name = "openai-responses"
    kind = OpenAIResponsesAdapter
    path = "/v1/responses"

    def head(self):
        return [{"type": "response.created", "sequence_number": 0, "response": self.response("in_progress")}]

    def part(self, part, index):
        match part:
            case Text():
                return self.message(part.deltas, index, "output_text", "text")
            case Refusal():
                return self.message((part.text,), index, "refusal", "refusal")
            case Thought():
                return self.reasoning(part.text, index)
            case Asked():
                return self.call(part, index)

    def end(self, reason, *, calls):
        usage = {
            "input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
            "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 8},
        }  # fmt: skip
        if reason in ("stop", "tool_calls"):
            return self.sse([self.ended("completed", usage=usage)])
        why = {"length": "max_output_tokens"}.get(reason, reason)
        return self.sse([self.ended("incomplete", usage=usage, incomplete_details={"reason": why})])

    def error_event(self, kind, message):
        error = {"code": kind, "message": message}
        return self.sse(
            [{"type": "response.failed", "sequence_number": 9, "response": self.response("failed", error=error)}]
        )

    def error_body(self, kind, message):
        return {"error": {"type": kind, "code": kind, "message": message, "param": None}}

    def response(self, status, **fields):
        base = {"id": "resp_1", "object": "response", "created_at": 0, "model": "m", "output": [], "status": status}
        return base | {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []} | fields

    def ended(self, status, **fields):
        return {"type": f"response.{status}", "sequence_number": 99, "response": self.response(status, **fields)}

    def message(self, deltas, index, kind, field):
        item = {"id": f"msg_{index}", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        whole = {"type": kind, field: "".join(deltas)} | ({"annotations": []} if kind == "output_text" else {})
        return [
            {"type": "response.output_item.added", "output_index": index, "sequence_number": 1, "item": item},
            *(
                {"type": f"response.{kind}.delta", "item_id": item["id"], "output_index": index, "content_index": 0,
                 "delta": delta, "sequence_number": 2, "logprobs": []}
                for delta in deltas
            ),
            {"type": "response.output_item.done", "output_index": index, "sequence_number": 3,
             "item": item | {"status": "completed", "content": [whole]}},
        ]  # fmt: skip

    def reasoning(self, text, index):
        item = {"id": f"rs_{index}", "type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}
        return [
            {"type": "response.output_item.added", "output_index": index, "sequence_number": 1,
             "item": item | {"summary": []}},
            {"type": "response.reasoning_summary_text.delta", "item_id": item["id"], "output_index": index,
             "summary_index": 0, "delta": text, "sequence_number": 2},
            {"type": "response.output_item.done", "output_index": index, "sequence_number": 3,
             "item": item | {"encrypted_content": "gAAAA"}},
        ]  # fmt: skip

    def call(self, part, index):
        item = {"id": f"fc_{index}", "type": "function_call", "call_id": part.call_id, "name": part.name}
        return [
            {"type": "response.output_item.added", "output_index": index, "sequence_number": 1,
             "item": item | {"arguments": ""}},
            {"type": "response.function_call_arguments.delta", "item_id": item["id"], "output_index": index,
             "delta": part.arguments, "sequence_number": 2},
            {"type": "response.output_item.done", "output_index": index, "sequence_number": 3,
             "item": item | {"arguments": part.arguments, "status": "completed"}},
        ]  # fmt: skip


class Chat(Wire):
    name = "openai-chat"
    kind = OpenAIChatAdapter
    path = "/v1/chat/completions"

    def sse(self, events):
        return sse(*events, named=False)

    def head(self):
        return [self.chunk({"role": "assistant", "content": ""})]

    def part(self, part, index):
        match part:
            case Text():
                return [self.chunk({"content": delta}) for delta in part.deltas]
            case Refusal():
                return [self.chunk({"refusal": part.text})]
            case Thought():
                return [self.chunk({"reasoning_content": part.text})]
            case Asked():
                return self.call(part)

    def reply(self, *parts, reason="stop"):
        self.asked = 0
        return super().reply(*parts, reason=reason)

    def end(self, reason, *, calls):
        usage = {
            "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 8},
        }  # fmt: skip
        finish = "tool_calls" if calls and reason == "stop" else reason
        last = self.chunk({}, finish_reason=finish)
        return self.sse([last, {**self.chunk({}), "choices": [], "usage": usage}]) + b"data: [DONE]\n\n"

    def error_event(self, kind, message):
        return self.sse([{"error": {"type": kind, "code": kind, "message": message}}])

    error_body = Responses.error_body

    def open_text(self):
        return []

    def chunk(self, delta, finish_reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}

    def call(self, part):
        index, self.asked = self.asked, self.asked + 1
        half = len(part.arguments) // 2
        first = {"id": part.call_id, "type": "function", "function": {"name": part.name, "arguments": ""}}
        pieces = [first, *({"function": {"arguments": a}} for a in (part.arguments[:half], part.arguments[half:]))]
        return [self.chunk({"tool_calls": [{"index": index} | piece]}) for piece in pieces]

    asked = 0


class Messages(Wire):
    name = "anthropic-messages"
    kind = AnthropicMessagesAdapter
    path = "/v1/messages"

    def adapter(self, url, **fields):
        return super().adapter(url and url.removesuffix("/v1"), **fields)

    def head(self):
        usage = {
            "input_tokens": 30,
            "cache_creation_input_tokens": 6,
            "cache_read_input_tokens": 64,
            "output_tokens": 1,
        }
        message = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": []}
        return [{"type": "message_start", "message": message | {"stop_reason": None, "usage": usage}}, {"type": "ping"}]

    def part(self, part, index):
        match part:
            case Text():
                deltas = [{"type": "text_delta", "text": d} for d in part.deltas]
                return self.block(index, {"type": "text", "text": ""}, deltas)
            case Refusal():
                return self.block(index, {"type": "text", "text": ""}, [{"type": "text_delta", "text": part.text}])
            case Thought():
                deltas = [
                    {"type": "thinking_delta", "thinking": part.text},
                    {"type": "signature_delta", "signature": "sig"},
                ]
                return self.block(index, {"type": "thinking", "thinking": "", "signature": ""}, deltas)
            case Asked():
                half = len(part.arguments) // 2
                halves = (part.arguments[:half], part.arguments[half:])
                use = {"type": "tool_use", "id": part.call_id, "name": part.name, "input": {}}
                return self.block(index, use, [{"type": "input_json_delta", "partial_json": h} for h in halves])

    def block(self, index, start, deltas):
        return [
            {"type": "content_block_start", "index": index, "content_block": start},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    def end(self, reason, *, calls):
        why = {"stop": "tool_use" if calls else "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
        usage = {"output_tokens": 20, "output_tokens_details": {"thinking_tokens": 8}}
        delta = {"stop_reason": why.get(reason, reason), "stop_sequence": None}
        return self.sse([{"type": "message_delta", "delta": delta, "usage": usage}, {"type": "message_stop"}])

    def error_event(self, kind, message):
        return self.sse([{"type": "error", "error": {"type": kind, "message": message}}])

    def error_body(self, kind, message):
        return {"type": "error", "error": {"type": kind, "message": message}}


WIRES = (Responses(), Chat(), Messages())


def as_text(body: dict) -> str:
    return json.dumps(body, ensure_ascii=False)
