"""Decides how a Chat Completions API is asked, by the official SDK: OpenAI's own or any server that speaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolscript.models.adapter import ModelRequest
from toolscript.models.openai_chat_stream import Reader
from toolscript.models.openai_chat_wire import body
from toolscript.models.reply import Reply
from toolscript.models.sdk import OPENAI_URL, SdkAdapter, openai
from toolscript.models.settings import ProviderSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class OpenAIChatAdapter(SdkAdapter["AsyncOpenAI"]):
    """A model behind Chat Completions: also Ollama, vLLM, llama.cpp, Gemini, DeepSeek by their base URLs."""

    url = OPENAI_URL
    key_name = "OPENAI_API_KEY"

    def _make(self, settings: ProviderSettings) -> AsyncOpenAI:
        return openai(settings)

    async def _create(self, client: AsyncOpenAI, request: ModelRequest) -> Any:
        from openai import AsyncStream

        # As plain JSON: making the SDK's models of each chunk took most of the time that a delta takes.
        return await client.post(
            "/chat/completions",
            body={**body(request, own_server=self._settings.base_url is None), **request.settings},
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )

    def _reader(self, request: ModelRequest) -> Reader:
        return Reader(request.model, Reply(self._settings.reply_characters))
