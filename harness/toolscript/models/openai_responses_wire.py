"""Decides how a request and its history look on the OpenAI Responses wire."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from toolscript.errors import Json
from toolscript.models.adapter import (
    AssistantMessage,
    FunctionCallItem,
    FunctionCallOutputItem,
    FunctionTool,
    Item,
    ModelRequest,
    UserMessage,
)
from toolscript.models.reply import native_items

API = "openai-responses"
_REASONING = re.compile(r"(?:o\d|gpt-(?:[5-9]|\d\d)|codex)(?!.*chat)")
"""Names of models that reason, as their maker names them; for others ``settings.reasoning`` says it."""


def body(request: ModelRequest) -> dict[str, Json]:
    """Return the JSON body of the request; the same request gives the same bytes.

    Nothing is stored at the provider: reasoning goes back as the encrypted items that came.
    """
    fields: dict[str, Json] = {
        "model": request.model,
        "instructions": request.instructions,
        "input": [_message(request.original_prompt, ()), *_history(request)],
        "store": False,
        "stream": True,
        "prompt_cache_key": hashlib.sha256(request.instructions.encode()).hexdigest()[:32],
    }
    if request.tools:
        fields |= {"tools": _tools(request), "parallel_tool_calls": True}
    if _reasons(request):
        fields["include"] = ["reasoning.encrypted_content"]
    if request.max_output_tokens is not None:
        fields["max_output_tokens"] = request.max_output_tokens
    return fields


def _reasons(request: ModelRequest) -> bool:
    """Say whether to ask for encrypted reasoning: other models' servers refuse a request that does."""
    return "reasoning" in request.settings or _REASONING.match(request.model) is not None


def _tools(request: ModelRequest) -> list[Json]:
    tools = [_tool(tool) for tool in request.tools]
    if not request.hosted:
        return tools
    callers: Json = {"allowed_callers": ["direct", "programmatic"]}
    return [*(tool | callers for tool in tools), {"type": "programmatic_tool_calling"}]


def _history(request: ModelRequest) -> Iterator[Json]:
    sent: set[str] = set()
    callers: dict[str, Json] = {}
    for item in request.history:
        if isinstance(item, AssistantMessage):
            back = native_items(item, API, request.model)
            called = {str(i.get("call_id")): i for i in back or () if i.get("type") == "function_call"}
            sent |= called.keys()
            callers |= {call_id: i["caller"] for call_id, i in called.items() if i.get("caller")}
            yield from back if back is not None else _assistant(item)
        elif isinstance(item, FunctionCallOutputItem) and item.call_id in callers:
            # What a program at the provider asked for goes back to that program.
            yield _item(item) | {"caller": callers[item.call_id]}
        elif not (isinstance(item, FunctionCallItem) and item.call_id in sent):
            yield _item(item)


def _item(item: Item) -> Json:
    match item:
        case UserMessage():
            return _message(item.text, item.images)
        case FunctionCallItem():
            return {
                "type": "function_call", "call_id": item.call_id, "name": item.name, "arguments": item.arguments,
            }  # fmt: skip
        case FunctionCallOutputItem():
            return {"type": "function_call_output", "call_id": item.call_id, "output": _output(item)}
        case AssistantMessage():
            raise TypeError("assistant messages may be several items")


def _assistant(item: AssistantMessage) -> Iterator[Json]:
    if item.text:
        yield {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": item.text}]}


def _message(text: str, images: tuple[str, ...]) -> Json:
    content: list[Json] = [{"type": "input_text", "text": text}] if text else []
    return {"type": "message", "role": "user", "content": content + _images(images)}


def _output(item: FunctionCallOutputItem) -> Json:
    if not item.images:
        return item.output
    return [{"type": "input_text", "text": item.output}, *_images(item.images)]


def _images(images: tuple[str, ...]) -> list[Json]:
    return [{"type": "input_image", "image_url": url, "detail": "auto"} for url in images]


def _tool(tool: FunctionTool) -> Json:
    # Not strict: strict schemas forbid optional arguments, which most tools have.
    return {
        "type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters,
        "strict": False,
    }  # fmt: skip
