"""Decides which adapter serves a provider's name: ours, or one that another package registered."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING

from toolscript.errors import ConfigError

if TYPE_CHECKING:
    from toolscript.models.adapter import ModelAdapter
    from toolscript.models.settings import ProviderSettings

GROUP = "toolscript.models"
_OURS = {
    "recorded": "toolscript.models.recorded:RecordedAdapter",
    "openai-responses": "toolscript.models.openai_responses:OpenAIResponsesAdapter",
    "openai-chat": "toolscript.models.openai_chat:OpenAIChatAdapter",
    "anthropic-messages": "toolscript.models.anthropic_messages:AnthropicMessagesAdapter",
}


def providers() -> tuple[str, ...]:
    """Return the names that an agent's ``provider`` may have."""
    others = {point.name for point in importlib.metadata.entry_points(group=GROUP)}
    return tuple(sorted(others | _OURS.keys()))


def served(provider: str) -> bool:
    """Say whether an adapter is there; for our own without asking the installed packages."""
    return provider in _OURS or provider in providers()


def adapter_for(provider: str, settings: ProviderSettings) -> ModelAdapter:
    """Return the adapter behind a provider's name. Raises ConfigError for a name that nobody serves."""
    if provider in _OURS:
        # Ours are known without asking the installed packages, which takes long at a kernel's start.
        module, _, name = _OURS[provider].partition(":")
        made: ModelAdapter = getattr(importlib.import_module(module), name)(settings)
        return made
    for point in importlib.metadata.entry_points(group=GROUP, name=provider):
        other: ModelAdapter = point.load()(settings)
        return other
    raise ConfigError(f"there is no provider {provider!r}; providers are {', '.join(providers())}")
