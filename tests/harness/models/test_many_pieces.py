"""Replies that come in very many pieces: nothing is put together before it is whole."""

from __future__ import annotations

import json
from types import SimpleNamespace as Event
from typing import Any

import pytest

from toolscript.errors import ProviderError
from toolscript.models import anthropic_messages_stream, openai_chat_stream
from toolscript.models.adapter import Finished, FunctionCallDone, ReasoningDelta, TextDelta
from toolscript.models.reply import Reply
from toolscript.models.thinking import Thoughts

MANY = 5_000


class Block(dict[str, Any]):
    def model_dump(self, **_: Any) -> dict[str, Any]:
        return dict(self)


def delta(index: int, kind: str, **fields: Any) -> Event:
    return Event(type="content_block_delta", index=index, delta=Event(type=kind, **fields))


def test_texts_of_an_anthropic_reply_are_joined_once_each() -> None:
    reader = anthropic_messages_stream.Reader("m", Reply(10_000_000))
    starts = [{"type": "thinking", "thinking": ""}, {"type": "text", "text": ""}]
    starts += [{"type": "tool_use", "id": "t", "name": "exec", "input": {}}]
    told = ["thinking", "text", "arguments"]
    for index, start in enumerate(starts):
        list(reader.read(Event(type="content_block_start", index=index, content_block=Block(start))))
    list(reader.read(delta(2, "input_json_delta", partial_json='{"a": "')))
    for _ in range(MANY):
        for event in (
            delta(0, "thinking_delta", thinking="th"),
            delta(1, "text_delta", text="tx"),
            delta(2, "input_json_delta", partial_json="ab"),
        ):
            list(reader.read(event))
    list(reader.read(delta(0, "signature_delta", signature="s")))
    list(reader.read(delta(2, "input_json_delta", partial_json='"}')))
    counts = [len(reader.blocks[index].pieces[name]) for index, name in enumerate(told)]
    assert counts == [MANY, MANY, MANY + 2], "pieces, not a text that is copied for each of them"

    ended = [e for n in range(3) for e in reader.read(Event(type="content_block_stop", index=n))]
    ended += list(reader.read(Event(type="message_stop")))

    (call,) = (event for event in ended if isinstance(event, FunctionCallDone))
    assert json.loads(call.arguments) == {"a": "ab" * MANY}
    (finished,) = (event for event in ended if isinstance(event, Finished))
    thought, text, used = finished.native[0]["items"]  # type: ignore[call-overload,index]
    assert (thought["thinking"], thought["signature"]) == ("th" * MANY, "s")
    assert (text["text"], used["input"]) == ("tx" * MANY, {"a": "ab" * MANY})


def test_a_cut_anthropic_reply_sends_back_what_had_come_of_its_text() -> None:
    reader = anthropic_messages_stream.Reader("m", Reply(1_000))
    start = Block(type="text", text="he")
    list(reader.read(Event(type="content_block_start", index=0, content_block=start)))
    list(reader.read(delta(0, "text_delta", text="llo")))
    (finished,) = (e for e in reader.read(Event(type="message_stop")) if isinstance(e, Finished))
    assert finished.native[0]["items"] == [{"type": "text", "text": "hello"}]  # type: ignore[call-overload,index]


def test_a_signature_and_a_name_count_for_the_size_of_a_reply() -> None:
    reader = anthropic_messages_stream.Reader("m", Reply(10))
    start = Block(type="thinking", thinking="")
    list(reader.read(Event(type="content_block_start", index=0, content_block=start)))
    with pytest.raises(ProviderError):
        list(reader.read(delta(0, "signature_delta", signature="s" * 11)))

    chat = openai_chat_stream.Reader("m", Reply(10))
    piece = {"index": 0, "id": "c", "function": {"name": "n" * 11, "arguments": ""}}
    with pytest.raises(ProviderError):
        list(chat.read({"choices": [{"delta": {"tool_calls": [piece]}}]}))


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["\n"] * MANY + ["<think>", "a", "</think>", "b"], [ReasoningDelta("a"), TextDelta("b")]),
        ([" "] * MANY + ["b"], [TextDelta(" " * MANY + "b")]),
        ([" "] * MANY, [TextDelta(" " * MANY)]),
        ([" ", "", "<th", " ", "b"], [TextDelta(" <th "), TextDelta("b")]),
    ],
)
def test_blanks_before_a_text_wait_until_it_is_known_what_they_belong_to(pieces: list[str], shown: list[Any]) -> None:
    thoughts = Thoughts()
    events = [event for piece in pieces for event in thoughts.feed(piece)] + list(thoughts.finish())
    assert events == shown
