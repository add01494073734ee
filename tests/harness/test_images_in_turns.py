"""Images that tools give reach the model beside the text, in the form that each API wants."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest
from tests.harness.models.server import error
from tests.harness.models.wires import WIRES, Asked, Text
from tests.harness.talking import script, talking

from toolscript.approvals.rules import Rule

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("wire", WIRES, ids=repr)]

SERVER = Path(__file__).resolve().parents[1] / "mcp_servers" / "proper.py"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
URL = f"data:image/png;base64,{PIXEL}"
ANTHROPIC = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
CHAT = {"type": "image_url", "image_url": {"url": URL}}
RESPONSES = {"type": "input_image", "image_url": URL, "detail": "auto"}


def last(wire, request):
    """Return the last message or output of a request, and the parts of it that are images."""
    item = request["input" if wire.name == "openai-responses" else "messages"][-1]
    parts = item.get("output", item.get("content"))
    if parts[-1].get("type") == "tool_result":
        parts = parts[-1]["content"]
    return item, [{k: v for k, v in p.items() if k != "cache_control"} for p in parts if "image" in p["type"]]


def form(wire):
    return {"openai-responses": RESPONSES, "openai-chat": CHAT, "anthropic-messages": ANTHROPIC}[wire.name]


@pytest.fixture
def pixel(workplace):
    (workplace / "work" / "plot.png").write_bytes(base64.b64decode(PIXEL))


@pytest.mark.usefixtures("pixel")
async def test_an_image_that_a_structured_call_views_is_shown(workplace, wire):
    replies = ((Asked("view_image", '{"path": "plot.png"}'),), Text("A pixel."))
    async with talking(workplace, *replies, wire=wire) as (harness, served):
        turn = await harness.turn("look")

    assert turn.status == "completed", turn.error
    _, images = last(wire, served.requests[1])
    assert images == [form(wire)]
    assert "plot.png: image/png, 1 × 1" in json.dumps(served.requests[1], ensure_ascii=False)


@pytest.mark.usefixtures("pixel")
async def test_an_image_that_a_script_returns_is_shown_and_its_data_is_not_text(workplace, wire):
    replies = (script("return {seen: await viewImage('plot.png')}"), Text("A pixel."))
    async with talking(workplace, *replies, wire=wire) as (harness, served):
        turn = await harness.turn("look")

    assert turn.runs[0].result["seen"]["imageUrl"] == URL, "faces see the result as it is"
    item, images = last(wire, served.requests[1])
    assert images == [form(wire)]
    assert json.dumps(item).count(PIXEL) == 1
    assert "[image 1]" in json.dumps(item)


async def test_an_image_of_a_server_is_shown_from_a_call_and_from_a_script(workplace, wire):
    more = f'\n[mcp.art]\ncommand = {json.dumps([sys.executable, str(SERVER)])}\napproval = "approve"\n'
    replies = ((Asked("mcp__art__picture"),), script("return tools.mcp.art.picture({})"), Text("Two."))
    allowed = (Rule(tool="mcp.art.picture", verdict="allow"),)
    async with talking(workplace, *replies, wire=wire, more=more, rules=allowed) as (harness, served):
        turn = await harness.turn("look")

    assert turn.status == "completed", turn.error
    for request in served.requests[1:]:
        item, images = last(wire, request)
        assert images == [form(wire)], item
        assert json.dumps(item).count(PIXEL) == 1


@pytest.mark.usefixtures("pixel")
async def test_a_model_that_takes_no_images_goes_on_without_them_in_this_turn_and_the_next(workplace, wire):
    blind = error(400, wire.error_body("invalid_request_error", "this model does not support image input"))
    replies = ((Asked("view_image", '{"path": "plot.png"}'),), blind, Text("I cannot see it."), Text("No."))
    async with talking(workplace, *replies, wire=wire) as (harness, served):
        turns = [await harness.turn("look"), await harness.turn("and now?")]

    assert [t.status for t in turns] == ["completed"] * 2, turns[0].error
    assert ["image/png;base64" in json.dumps(r) or PIXEL in json.dumps(r) for r in served.requests] == [
        False, True, False, False,
    ]  # fmt: skip
    assert "images were left out" in json.dumps(served.requests[2])


async def test_a_prompt_whose_image_is_refused_fails_its_turn_and_not_the_next(workplace, wire):
    refused = error(400, wire.error_body("invalid_request_error", "could not process image"))
    async with talking(workplace, refused, refused, Text("fine"), wire=wire) as (harness, _):
        broken = await harness.turn("look", images=["data:image/png;base64,AAAA"])
        after = await harness.turn("never mind")

    assert (broken.status, broken.reason) == ("failed", "provider_bad_request")
    assert (after.status, after.text) == ("completed", "fine"), after.error
