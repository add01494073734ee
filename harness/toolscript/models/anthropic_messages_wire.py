"""Decides how a request and its history look on the Anthropic Messages wire."""

from __future__ import annotations

import json
from typing import Any

from toolscript.errors import Json
from toolscript.models.adapter import (
    AssistantMessage,
    FunctionCallItem,
    FunctionCallOutputItem,
    ModelRequest,
    UserMessage,
)
from toolscript.models.reply import native_items, native_of, script_output_message

API = "anthropic-messages"
HOSTED = "code_execution_20260120"
"""The tool by which the provider runs the model's code, and the name by which that code is known as a caller."""
DEFAULT_MAX_TOKENS = 16_000
_CACHED: dict[str, Json] = {"cache_control": {"type": "ephemeral"}}


def body(request: ModelRequest) -> dict[str, Json]:
    """Return the JSON body of the request; the same request gives the same bytes.

    Two marks tell the cache where prefixes end: behind the instructions, and behind the last message, which is
    where the next step's request goes on.
    """
    fields: dict[str, Json] = {
        "model": request.model,
        "max_tokens": request.max_output_tokens or DEFAULT_MAX_TOKENS,
        "system": [{"type": "text", "text": request.instructions} | _CACHED],
        "messages": messages(request),
        "stream": True,
    }
    if request.tools:
        fields["tools"] = _tools(request)
    if request.hosted and (container := _container(request)) is not None:
        fields["container"] = container
    if request.stop:
        fields["stop_sequences"] = list(request.stop)
    return fields


def _tools(request: ModelRequest) -> list[Json]:
    tools: list[Json] = [
        {"name": t.name, "description": t.description, "input_schema": t.parameters} for t in request.tools
    ]
    if not request.hosted:
        return tools
    callers: Json = {"allowed_callers": ["direct", HOSTED]}
    return [{"type": HOSTED, "name": "code_execution"}, *(tool | callers for tool in tools)]


def _container(request: ModelRequest) -> Json:
    """Return where the model's code waits for the calls that it made."""
    said = (item for item in reversed(request.history) if isinstance(item, AssistantMessage))
    return next((found for item in said if (found := native_of(item, API, request.model, "container"))), None)


def messages(request: ModelRequest) -> list[Json]:
    """Return the messages, users and assistant in turn.

    A script's output is a user's text: a synthetic tool use would need a declared tool, and signed thoughts before
    it. Results of tool uses come first in their message, as the API demands.
    """
    made = _Messages(request.model)
    made.user(*_text(request.original_prompt))
    synthetic: set[str] = set()
    for item in request.history:
        match item:
            case UserMessage():
                made.user(*_text(item.text), *_images(item.images))
            case AssistantMessage():
                made.assistant(item)
            case FunctionCallItem(synthetic=True):
                synthetic.add(item.call_id)
            case FunctionCallItem():
                made.call(item)
            case FunctionCallOutputItem() if item.call_id in synthetic:
                made.user(*_text(script_output_message(item.output)), *_images(item.images))
            case FunctionCallOutputItem():
                made.user(_result(item))
    return made.finished()


class _Messages:
    """The messages so far."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._made: list[dict[str, Any]] = []
        self._sent: set[str] = set()

    def user(self, *blocks: Json) -> None:
        self._of("user")["content"] += blocks

    def assistant(self, item: AssistantMessage) -> None:
        back = native_items(item, API, self._model)
        blocks = _text(item.text) if back is None else back
        self._sent |= {block["id"] for block in blocks if block.get("type") == "tool_use"}
        self._of("assistant")["content"] += blocks

    def call(self, item: FunctionCallItem) -> None:
        if item.call_id not in self._sent:
            use = {"type": "tool_use", "id": item.call_id, "name": item.name, "input": _input(item.arguments)}
            self._of("assistant")["content"].append(use)

    def finished(self) -> list[Json]:
        made = [message for message in self._made if message["content"]]
        # A reply that was paused is sent back as it came, and a mark would change it.
        blocks = next(message for message in reversed(made) if message["role"] == "user")["content"]
        blocks[-1] = blocks[-1] | _CACHED
        return list(made)

    def _of(self, role: str) -> dict[str, Any]:
        """Return the last message if it is this role's, else a new one."""
        if not self._made or self._made[-1]["role"] != role:
            self._made.append({"role": role, "content": []})
        return self._made[-1]


def _result(item: FunctionCallOutputItem) -> Json:
    content: Json = [*_text(item.output), *_images(item.images)] if item.images else item.output
    result = {"type": "tool_result", "tool_use_id": item.call_id, "content": content}
    return result | {"is_error": True} if item.is_error else result


def _text(text: str) -> list[Json]:
    # The API refuses blocks of nothing but blanks.
    return [{"type": "text", "text": text}] if text.strip() else []


def _images(images: tuple[str, ...]) -> list[Json]:
    return [{"type": "image", "source": _source(url)} for url in images]


def _source(url: str) -> Json:
    if url.startswith("data:"):
        head, _, data = url.partition(",")
        return {"type": "base64", "media_type": head.removeprefix("data:").partition(";")[0], "data": data}
    return {"type": "url", "url": url}


def _input(arguments: str) -> Json:
    try:
        value = json.loads(arguments)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {}
