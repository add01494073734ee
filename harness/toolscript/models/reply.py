"""Decides what every adapter makes of its provider's stream, whatever the API: one text, bounded, and sound calls."""

from __future__ import annotations

from dataclasses import dataclass, field

from toolscript.errors import Json
from toolscript.models.adapter import AssistantMessage, FunctionCallDone, RefusalDelta, TextDelta
from toolscript.models.errors import failure
from toolscript.models.http import too_large


@dataclass(slots=True)
class Reply:
    """What has come of one reply so far."""

    allowed: int
    characters: int = 0
    refused: bool = False
    ends_line: bool = True
    calls: list[FunctionCallDone] = field(default_factory=list)

    def text(self, delta: str) -> TextDelta:
        """Return the delta, counted. Raises ProviderError ``reply_too_large``."""
        self.count(delta)
        self.ends_line = delta.endswith("\n") if delta else self.ends_line
        return TextDelta(delta)

    def refusal(self, delta: str) -> RefusalDelta:
        """Return what the model says instead of an answer, counted."""
        self.refused = True
        self.count(delta)
        return RefusalDelta(delta)

    def count(self, delta: str) -> None:
        """Count what the provider wrote, shown or not."""
        self.characters += len(delta)
        if self.characters > self.allowed:
            raise too_large("characters", self.allowed)

    def seam(self) -> str:
        """Return what must stand between two blocks of text, so that a tag at the start of one starts a line."""
        return "" if self.ends_line else "\n\n"

    def call(self, call_id: str | None, name: str | None, arguments: str | None) -> FunctionCallDone:
        """Return a structured call, if it is sound; its arguments are checked where it is served.

        Raises ProviderError ``provider_malformed`` for a call without id or name, or an id used twice.
        """
        if not call_id or not name:
            raise failure("provider_malformed", "a function call without an id or a name")
        if any(known.call_id == call_id for known in self.calls):
            raise failure("provider_malformed", f"two function calls with the id {call_id!r}")
        done = FunctionCallDone(call_id=call_id, name=name, arguments=arguments or "{}")
        self.calls.append(done)
        return done


def native(api: str, model: str, items: list[Json], **more: Json) -> tuple[Json, ...]:
    """Return what AssistantMessage carries back to the same model behind the same API."""
    kept = {name: value for name, value in more.items() if value is not None}
    return ({"api": api, "model": model, "items": items} | kept,) if items else ()


def native_of(message: AssistantMessage, api: str, model: str, name: str) -> Json:
    """Return what was kept under a name beside the items, None where there is none for this model."""
    kept = (k for k in message.native if isinstance(k, dict) and (k.get("api"), k.get("model")) == (api, model))
    return next((k[name] for k in kept if name in k), None)


def native_items(message: AssistantMessage, api: str, model: str) -> list[Json] | None:
    """Return the items to send back unchanged, None where another model or API wrote them."""
    for kept in message.native:
        if isinstance(kept, dict) and kept.get("api") == api and kept.get("model") == model:
            return list(kept["items"])
    return None


def script_output_message(output: str) -> str:
    """Return a script's output as the text of a message, for APIs where it is no pair of call and output."""
    return f"<script-output>\n{output}\n</script-output>"
