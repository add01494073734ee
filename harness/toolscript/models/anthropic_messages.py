"""Decides how the Anthropic Messages API is asked, by the official SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolscript.models.adapter import ModelRequest
from toolscript.models.anthropic_messages_stream import Reader
from toolscript.models.anthropic_messages_wire import body
from toolscript.models.reply import Reply
from toolscript.models.sdk import ANTHROPIC_URL, SdkAdapter, anthropic
from toolscript.models.settings import ProviderSettings

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic


class AnthropicMessagesAdapter(SdkAdapter["AsyncAnthropic"]):
    """A model behind the Messages API: Anthropic's own, or a server that speaks it at ``base_url``."""

    url = ANTHROPIC_URL
    key_name = "ANTHROPIC_API_KEY"

    def _make(self, settings: ProviderSettings) -> AsyncAnthropic:
        return anthropic(settings)

    async def _create(self, client: AsyncAnthropic, request: ModelRequest) -> Any:
        create: Any = client.messages.create
        return await create(**body(request), extra_body=request.settings)

    def _reader(self, request: ModelRequest) -> Reader:
        return Reader(request.model, Reply(self._settings.reply_characters))
