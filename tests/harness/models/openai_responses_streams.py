"""Streams of the OpenAI Responses API as its servers send them."""

from __future__ import annotations

from tests.harness.models.server import sse


def created():
    return {"type": "response.created", "sequence_number": 0, "response": _response("in_progress")}


def _response(status, **fields):
    base = {"id": "resp_1", "object": "response", "created_at": 0, "model": "m", "output": [], "status": status}
    return base | {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []} | fields


def usage(inputs=100, outputs=20, cached=64, reasoning=8):
    return {
        "input_tokens": inputs, "output_tokens": outputs, "total_tokens": inputs + outputs,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": reasoning},
    }  # fmt: skip


def completed(**fields):
    return {"type": "response.completed", "sequence_number": 99, "response": _response("completed", **fields)}


def incomplete(reason):
    details = {"incomplete_details": {"reason": reason}, "usage": usage()}
    return {"type": "response.incomplete", "sequence_number": 99, "response": _response("incomplete", **details)}


def failed(code, message):
    return {
        "type": "response.failed", "sequence_number": 9,
        "response": _response("failed", error={"code": code, "message": message}),
    }  # fmt: skip


def message(text, index=0, deltas=None, part="output_text"):
    """Return the events of one message item."""
    field = "text" if part == "output_text" else "refusal"
    item = {"id": f"msg_{index}", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    whole = {"type": part, field: text} | ({"annotations": []} if part == "output_text" else {})
    kind = "response.output_text.delta" if part == "output_text" else "response.refusal.delta"
    return [
        {"type": "response.output_item.added", "output_index": index, "sequence_number": 1, "item": item},
        *(
            {"type": kind, "item_id": item["id"], "output_index": index, "content_index": 0, "delta": delta,
             "sequence_number": 2, "logprobs": []}
            for delta in (deltas or [text])
        ),
        {"type": "response.output_item.done", "output_index": index, "sequence_number": 3,
         "item": item | {"status": "completed", "content": [whole]}},
    ]  # fmt: skip


def reasoning(text, index=0, encrypted="gAAAA"):
    item = {"id": f"rs_{index}", "type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}
    return [
        {"type": "response.output_item.added", "output_index": index, "sequence_number": 1,
         "item": item | {"summary": []}},
        {"type": "response.reasoning_summary_text.delta", "item_id": item["id"], "output_index": index,
         "summary_index": 0, "delta": text, "sequence_number": 2},
        {"type": "response.output_item.done", "output_index": index, "sequence_number": 3,
         "item": item | {"encrypted_content": encrypted}},
    ]  # fmt: skip


def call(name, arguments, call_id="call_1", index=1):
    item = {"id": f"fc_{index}", "type": "function_call", "call_id": call_id, "name": name, "arguments": ""}
    return [
        {"type": "response.output_item.added", "output_index": index, "sequence_number": 1, "item": item},
        {"type": "response.function_call_arguments.delta", "item_id": item["id"], "output_index": index,
         "delta": arguments, "sequence_number": 2},
        {"type": "response.output_item.done", "output_index": index, "sequence_number": 3,
         "item": item | {"arguments": arguments, "status": "completed"}},
    ]  # fmt: skip


def reply(*parts):
    """Return the bytes of a whole stream."""
    return sse(created(), *(event for part in parts for event in part), completed(usage=usage()))
