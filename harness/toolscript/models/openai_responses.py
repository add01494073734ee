"""Decides how the OpenAI Responses API is asked, by the official SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolscript.models.adapter import ModelRequest
from toolscript.models.openai_responses_stream import Reader
from toolscript.models.openai_responses_wire import body
from toolscript.models.reply import Reply
from toolscript.models.sdk import OPENAI_URL, SdkAdapter, openai
from toolscript.models.settings import ProviderSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class OpenAIResponsesAdapter(SdkAdapter["AsyncOpenAI"]):
    """A model behind the Responses API: OpenAI's own, or a server that speaks it at ``base_url``."""

    url = OPENAI_URL
    key_name = "OPENAI_API_KEY"

    def _make(self, settings: ProviderSettings) -> AsyncOpenAI:
        return openai(settings)

    async def _create(self, client: AsyncOpenAI, request: ModelRequest) -> Any:
        create: Any = client.responses.create
        return await create(**body(request), extra_body=request.settings)

    def _reader(self, request: ModelRequest) -> Reader:
        return Reader(request.model, Reply(self._settings.reply_characters))
