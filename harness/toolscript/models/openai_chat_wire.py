"""Decides how a request and its history look on the Chat Completions wire, whoever serves it."""

from __future__ import annotations

from typing import Any

from toolscript.errors import Json
from toolscript.models.adapter import (
    AssistantMessage,
    FunctionCallItem,
    FunctionCallOutputItem,
    ModelRequest,
    UserMessage,
)
from toolscript.models.reply import native_items, script_output_message

API = "openai-chat"


def body(request: ModelRequest, *, own_server: bool) -> dict[str, Json]:
    """Return the JSON body of the request; the same request gives the same bytes.

    ``own_server``: OpenAI's, which has renamed a field that the others know by its old name.
    """
    fields: dict[str, Json] = {"model": request.model, "stream": True, "messages": messages(request)}
    if request.max_output_tokens is not None:
        fields["max_completion_tokens" if own_server else "max_tokens"] = request.max_output_tokens
    if request.stop:
        fields["stop"] = list(request.stop)
    fields["stream_options"] = {"include_usage": True}
    if request.tools:
        fields["tools"] = [
            {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.parameters}}
            for t in request.tools
        ]
    return fields


def messages(request: ModelRequest) -> list[Json]:
    """Return the messages. Neighbours of one role are one message: some servers' templates insist on it.

    A script's output is a user's message: its synthetic call would need tools that a server may not have.
    """
    made = _Messages(request.model)
    made.user(request.original_prompt)
    synthetic: set[str] = set()
    for item in request.history:
        match item:
            case UserMessage():
                made.user(item.text, item.images)
            case AssistantMessage():
                made.assistant(item)
            case FunctionCallItem(synthetic=True):
                synthetic.add(item.call_id)
            case FunctionCallItem():
                made.call(item)
            case FunctionCallOutputItem() if item.call_id in synthetic:
                made.user(script_output_message(item.output), item.images)
            case FunctionCallOutputItem():
                made.output(item)
    return [{"role": "system", "content": request.instructions}, *made.finished()]


class _Messages:
    """The messages so far; images of tool outputs wait, since tool messages carry text alone."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._made: list[dict[str, Any]] = []
        self._images: tuple[str, ...] = ()

    def user(self, text: str, images: tuple[str, ...] = ()) -> None:
        images, self._images = self._images + images, ()
        last = self._last("user") or self._add({"role": "user", "content": []})
        last["content"] += [{"type": "text", "text": text}] if text else []
        last["content"] += [{"type": "image_url", "image_url": {"url": url}} for url in images]

    def assistant(self, item: AssistantMessage) -> None:
        self._flush()
        message = self._add({"role": "assistant", "content": item.text})
        for kept in native_items(item, API, self._model) or ():
            # Reasoning goes back under the name it came by, and only with the calls it led to.
            message["_reasoning"] = kept

    def call(self, item: FunctionCallItem) -> None:
        last = self._last("assistant") or self._add({"role": "assistant", "content": ""})
        function = {"name": item.name, "arguments": item.arguments}
        last.setdefault("tool_calls", []).append({"id": item.call_id, "type": "function", "function": function})

    def output(self, item: FunctionCallOutputItem) -> None:
        self._add({"role": "tool", "tool_call_id": item.call_id, "content": item.output})
        self._images += item.images

    def finished(self) -> list[Json]:
        self._flush()
        return [_plain(message) for message in self._made if message.get("content") or message.get("tool_calls")]

    def _flush(self) -> None:
        if self._images:
            self.user("")

    def _last(self, role: str) -> dict[str, Any] | None:
        return self._made[-1] if self._made and self._made[-1]["role"] == role else None

    def _add(self, message: dict[str, Any]) -> dict[str, Any]:
        self._made.append(message)
        return message


def _plain(message: dict[str, Any]) -> Json:
    """Return the message with its text as a string where it is nothing but text: all servers read that."""
    reasoning = message.pop("_reasoning", None)
    content = message["content"]
    if isinstance(content, list) and all(part["type"] == "text" for part in content):
        message["content"] = "\n\n".join(part["text"] for part in content)
    if reasoning is not None and message.get("tool_calls"):
        message |= reasoning
    return message
