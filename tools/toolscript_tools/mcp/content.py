"""Decides what a script gets of a server's answer, and what a model reads of it."""

from __future__ import annotations

import base64
import binascii
import json

from mcp_types import CallToolResult, ReadResourceResult

from toolscript import units
from toolscript.errors import Json, McpToolError, OutputTooLarge, ToolError
from toolscript.registry.context import ToolContext
from toolscript.registry.foreign import Check
from toolscript_tools.mcp.clean import clean

KEPT_APART = 128 * 1024
"""Bytes of base64 beyond which a block's data is kept under a handle instead of being part of the value."""


def delivered(tool: str, result: CallToolResult, check: Check, context: ToolContext) -> Json:
    """Return ``{content, structuredContent?}`` without the protocol's own members.

    Large images, sounds and blobs are kept under handles. Raises McpToolError for an answer that is an error,
    ToolError ``mcp_invalid_output`` for one that breaks its own schema, and OutputTooLarge naming a handle.
    """
    dumped = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    blocks: list[Json] = [_apart(_bare(block), context) for block in dumped["content"]]
    value: dict[str, Json] = {"content": blocks}
    if result.structured_content is not None:
        value["structuredContent"] = result.structured_content
    value = _small_enough(tool, value, context)
    if result.is_error:
        raise failed(tool, blocks, structured=value.get("structuredContent"))
    if problems := check(value.get("structuredContent")):
        listed = "; ".join(f"{where or 'structuredContent'}: {message}" for where, message in problems)
        message = f"{tool} did its work, but its answer is not what the server declared: {listed}"
        raise ToolError(message, tool=tool, code="mcp_invalid_output", details=value)
    return value


def contents(tool: str, result: ReadResourceResult, context: ToolContext) -> dict[str, Json]:
    """Return ``{contents}`` of a resource, large blobs under handles. Raises OutputTooLarge naming a handle."""
    dumped = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    parts = [_blob_apart(_bare(part), context) for part in dumped["contents"]]
    return _small_enough(tool, {"contents": parts}, context)


def failed(tool: str, content: list[Json], *, structured: Json = None) -> McpToolError:
    """Return the error for a tool that says that it failed; its words are data, cleaned for readers."""
    texts = [block.get("text", "") for block in content if isinstance(block, dict)]
    said = clean("\n".join(filter(None, texts)), 2_000).strip() or "the tool failed and did not say why"
    details: dict[str, Json] = {"content": content}
    if structured is not None:
        details["structuredContent"] = structured
    return McpToolError(f"{tool}: {said}", tool=tool, details=details)


def rendered(output: Json) -> str:
    """Return the text of a structured call: structured content first, else the blocks, images as data URLs."""
    if isinstance(output, dict) and "structuredContent" in output:
        return json.dumps(output["structuredContent"], ensure_ascii=False)
    blocks = output.get("content") if isinstance(output, dict) else None
    return json.dumps([_with_url(block) for block in blocks or ()], ensure_ascii=False)


def _with_url(block: Json) -> Json:
    kind = block.get("type")
    if kind not in ("image", "audio") or "data" not in block:
        return block
    return {"type": kind, f"{kind}_url": f"data:{block.get('mimeType', '')};base64,{block['data']}"}


def _bare(block: Json) -> Json:
    """Return the block without ``_meta``, at both places where there can be one."""
    bare = {key: value for key, value in block.items() if key != "_meta"}
    if isinstance(bare.get("resource"), dict):
        bare["resource"] = {key: value for key, value in bare["resource"].items() if key != "_meta"}
    return bare


def _apart(block: Json, context: ToolContext) -> Json:
    if isinstance(block.get("resource"), dict):
        return {**block, "resource": _blob_apart(block["resource"], context)}
    return _moved(block, "data", context)


def _blob_apart(part: Json, context: ToolContext) -> Json:
    return _moved(part, "blob", context)


def _moved(block: Json, key: str, context: ToolContext) -> Json:
    text = block.get(key)
    if not isinstance(text, str) or len(text) <= KEPT_APART:
        return block
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = text.encode(errors="replace")
    rest = {name: value for name, value in block.items() if name != key}
    return {**rest, "handle": context.outputs.keep(data), "bytes": len(data)}


def _small_enough(tool: str, value: dict[str, Json], context: ToolContext) -> dict[str, Json]:
    data = json.dumps(value, ensure_ascii=False).encode(errors="replace")
    if len(data) <= context.max_output_bytes:
        return value
    handle = context.outputs.keep(data)
    raise OutputTooLarge(
        f"{tool} answered with {units.size(len(data))}, {units.size(context.max_output_bytes)} at most fit one result; "
        f'readOutput({{handle: "{handle}"}}) reads it in parts',
        tool=tool,
        details={"bytes": len(data), "handle": handle},
    )
