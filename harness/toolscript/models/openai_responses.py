"""Decides how the OpenAI Responses API is asked, by the official SDK."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

from toolscript.models.adapter import ModelEvent, ModelRequest
from toolscript.models.openai_client import closing, opened
from toolscript.models.openai_responses_stream import Reader
from toolscript.models.openai_responses_wire import body
from toolscript.models.reply import Reply
from toolscript.models.retry import retried
from toolscript.models.settings import ProviderSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class OpenAIResponsesAdapter:
    """A model behind the Responses API: OpenAI's own, or a server that speaks it at ``base_url``."""

    def __init__(self, settings: ProviderSettings | None = None) -> None:
        self._settings = settings or ProviderSettings(key_name="OPENAI_API_KEY")
        self._client: AsyncOpenAI | None = None

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Yield the reply as it comes; closing the iterator closes the connection."""
        return retried(lambda: self._attempt(request), self._settings.retry)

    async def _attempt(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        reader = Reader(request.model, Reply(self._settings.reply_characters))
        self._client = self._client or await opened(self._settings)
        create: Any = self._client.responses.create
        async with closing(self._settings, lambda: create(**body(request))) as events:
            async for event in events:
                for meant in reader.read(event):
                    yield meant

    async def aclose(self) -> None:
        """Close connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
