"""Decides what the next request says, and keeps it within what the model can be sent."""

from __future__ import annotations

from dataclasses import replace

from toolscript.agent.compaction import compacted, weight
from toolscript.agent.conversation import Conversation, PastTurn
from toolscript.agent.executor import Executor
from toolscript.agent.open_turn import OpenTurn
from toolscript.agent.prompt import instructions, original_prompt
from toolscript.agent.terms import TurnSettings
from toolscript.models.adapter import FunctionCallOutputItem, Item, ModelRequest, UsageReport

_BYTES_PER_TOKEN = 3.5
"""Of mixed prose, code and JSON, until the provider's own counts say better."""
_FULL, _AFTER = 0.85, 0.5
"""A context fuller than this is compacted, down to this: seldom, since each time the prompt cache is lost."""

_UNSEEN = "[its images were left out: the provider refused the request that held them]"


class Requests:
    """Builds the requests of a conversation's turns."""

    def __init__(self, executor: Executor, conversation: Conversation, settings: TurnSettings) -> None:
        self._executor = executor
        self._conversation = conversation
        self._settings = settings
        self._bytes_per_token = _BYTES_PER_TOKEN

    def next(self, turn: OpenTurn) -> ModelRequest:
        """Return the request of the turn's current step; a history that would not fit is compacted first."""
        request = self._build(turn)
        room = self._room()
        if room is not None and _size(request) > room * _FULL:
            above = _size(request) - weight(request.history)
            self._compact(turn, int(room * _AFTER) - above)
            request = self._build(turn)
        return request

    def shrink(self, turn: OpenTurn) -> bool:
        """Halve a history that the provider found too long; False when nothing much can be left out any more."""
        before = weight(turn.history())
        self._compact(turn, before // 2)
        return weight(turn.history()) < before * 0.9

    def without_images(self, turn: OpenTurn) -> bool:
        """Send no image but those of the turn's own prompt from now on; False if there is none to leave out.

        A model that sees no images, or a broken one, has the provider refuse each request that holds it.
        """
        before = self._conversation.sent
        after = [_blind(past) for past in before]
        self._conversation.shorten(new for new, old in zip(after, before, strict=True) if new is not old)
        sent = _unpictured(turn.sent)
        found = sent != turn.sent or any(new is not old for new, old in zip(after, before, strict=True))
        turn.sent = sent
        return found

    def learn(self, request: ModelRequest, usage: UsageReport) -> None:
        """Take the provider's count of a request as the measure for the next."""
        if usage.input_tokens > 100:
            self._bytes_per_token = min(8.0, max(1.0, _size(request) / usage.input_tokens))

    def _room(self) -> float | None:
        """Return how many bytes a request may have, the reply's share set aside."""
        s = self._settings
        if s.context_tokens is None:
            return None
        reply = min(s.max_output_tokens or 8_000, s.context_tokens // 4)
        return (s.context_tokens - reply) * self._bytes_per_token

    def _compact(self, turn: OpenTurn, allowed: int) -> None:
        turns, turn.sent = compacted(self._conversation.sent, turn.sent, allowed)
        self._conversation.shorten(t for t, old in zip(turns, self._conversation.sent, strict=True) if t is not old)

    def _build(self, turn: OpenTurn) -> ModelRequest:
        s = self._settings
        structured = s.structured
        hosted = s.hosted and structured and s.mode == "on"
        return ModelRequest(
            model=s.model,
            instructions=instructions(
                declarations=self._executor.declarations() if s.mode != "off" else "", agent=s.instructions,
                mode=s.mode, after_script=s.after_script, structured=structured, hosted=hosted,
            ),
            original_prompt=original_prompt(turn.past.prompt),
            history=turn.history(),
            tools=self._executor.function_tools() if structured else (),
            max_output_tokens=s.max_output_tokens,
            settings=s.provider,
            prompt=turn.past.prompt,
            hosted=hosted,
            step=turn.step.number,
        )  # fmt: skip


def _blind(past: PastTurn) -> PastTurn:
    items = _unpictured(past.items)
    return replace(past, items=items, images=()) if past.images or items != past.items else past


def _unpictured(items: tuple[Item, ...]) -> tuple[Item, ...]:
    return tuple(
        replace(item, images=(), output=f"{item.output}\n{_UNSEEN}")
        if isinstance(item, FunctionCallOutputItem) and item.images
        else item
        for item in items
    )


def _size(request: ModelRequest) -> int:
    tools = sum(len(t.name) + len(t.description) + len(str(t.parameters)) for t in request.tools)
    top = len(request.instructions.encode()) + len(request.original_prompt.encode())
    return top + tools + weight(request.history)
