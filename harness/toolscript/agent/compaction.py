"""Decides what is left out of a history that no longer fits: oldest first, prompts and the last results never."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from toolscript.agent.conversation import PastTurn
from toolscript.agent.prompt import note
from toolscript.models.adapter import AssistantMessage, FunctionCallOutputItem, Item, UserMessage

IMAGE_BYTES = 6 * 1024
"""What an image weighs in a context, roughly, whatever the length of its data."""
_KEPT_OUTPUT = 400
_KEPT_TEXT = 1200
_LEFT_OUT = UserMessage(text=note("What was said and done here was left out to fit the context."))


@dataclass(frozen=True, slots=True)
class _Place:
    turn: int
    item: Item


def compacted(
    turns: Sequence[PastTurn], items: Sequence[Item], allowed: int
) -> tuple[tuple[PastTurn, ...], tuple[Item, ...]]:
    """Return earlier turns and the items of the turn that goes on, at most ``allowed`` bytes if that can be.

    First old outputs are cut to their heads, then old texts, then whole turns lose what lies between prompt and
    end. What the model wrote last, with the results of it, and every prompt stay as they are.
    """
    places = [_Place(n, item) for n, turn in enumerate(turns) for item in turn.items]
    places += [_Place(len(turns), item) for item in items]
    kept = _last_step(places)
    spare = allowed - sum(len(turn.opening().text.encode()) for turn in turns)
    for shorten in (_output_cut, _text_cut):
        places = _shortened(places, kept, spare, shorten)
    places = _thinned(places, kept, spare)
    made = tuple(
        replace(turn, items=tuple(p.item for p in places if p.turn == n), images=())
        if any(p.turn == n and p.item not in turn.items for p in places)
        else turn
        for n, turn in enumerate(turns)
    )
    return made, tuple(p.item for p in places if p.turn == len(turns))


def weight(items: Sequence[Item]) -> int:
    """Return about how many bytes of context the items take."""
    return sum(_weight(item) for item in items)


def _weight(item: Item) -> int:
    match item:
        case UserMessage():
            return len(item.text.encode("utf-8", "replace")) + IMAGE_BYTES * len(item.images)
        case AssistantMessage():
            return len(item.text.encode("utf-8", "replace")) + sum(len(str(kept)) for kept in item.native)
        case FunctionCallOutputItem():
            return len(item.output.encode("utf-8", "replace")) + IMAGE_BYTES * len(item.images)
        case _:
            return len(item.arguments.encode("utf-8", "replace")) + len(item.name)


def _last_step(places: Sequence[_Place]) -> int:
    """Return where the model's last message begins: from there on nothing is touched."""
    written = [n for n, place in enumerate(places) if isinstance(place.item, AssistantMessage)]
    return written[-1] if written else len(places)


def _shortened(places: list[_Place], kept: int, allowed: int, shorten: Callable[[Item], Item]) -> list[_Place]:
    over = sum(_weight(place.item) for place in places) - allowed
    made = list(places)
    for n, place in enumerate(places[:kept]):
        if over <= 0:
            break
        shorter = shorten(place.item)
        over -= _weight(place.item) - _weight(shorter)
        made[n] = replace(place, item=shorter)
    return made


def _thinned(places: list[_Place], kept: int, allowed: int) -> list[_Place]:
    """Take whole turns out, oldest first, until it fits; of the turn that goes on, the steps before the last."""
    rest, last = places[:kept], places[kept:]
    for turn in sorted({place.turn for place in rest}):
        if sum(_weight(place.item) for place in (*rest, *last)) <= allowed:
            break
        gone = next(n for n, place in enumerate(rest) if place.turn == turn)
        rest = [*rest[:gone], _Place(turn, _LEFT_OUT), *(place for place in rest[gone:] if place.turn != turn)]
    return [*rest, *last]


def _output_cut(item: Item) -> Item:
    if not isinstance(item, FunctionCallOutputItem) or _weight(item) <= _KEPT_OUTPUT:
        return item
    return replace(item, output=_head(item.output, _KEPT_OUTPUT), images=())


def _text_cut(item: Item) -> Item:
    if isinstance(item, AssistantMessage):
        return AssistantMessage(text=_head(item.text, _KEPT_TEXT))
    if isinstance(item, UserMessage) and _weight(item) > _KEPT_TEXT:
        return UserMessage(text=_head(item.text, _KEPT_TEXT))
    return item


def _head(text: str, size: int) -> str:
    data = text.encode()
    if len(data) <= size:
        return text
    return f"{data[:size].decode('utf-8', 'ignore')}\n[{len(data) - size:,} bytes left out to fit the context]"
