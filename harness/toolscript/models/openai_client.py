"""Decides how the OpenAI SDK is started for both of its APIs, and that its failures come out as ours."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from toolscript.errors import ProviderError
from toolscript.models.errors import mapped
from toolscript.models.http import client as http_client
from toolscript.models.settings import ProviderSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DEFAULT_BASE_URL = "https://api.openai.com/v1"


async def opened(settings: ProviderSettings) -> AsyncOpenAI:
    """Return a client that sends our key and nothing of the environment's accounts to the configured address."""
    if not settings.key and settings.base_url is None:
        raise no_key(settings.key_name or "OPENAI_API_KEY")
    return await anyio.to_thread.run_sync(_client, settings)


def no_key(name: str) -> ProviderError:
    """Return the error for a provider that cannot be asked without a key."""
    return ProviderError(
        f"no key: set the environment variable {name}, or choose another agent (the agent `recorded` needs none)",
        code="no_key",
    )


def _client(settings: ProviderSettings) -> AsyncOpenAI:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(
        api_key=settings.key or "none",
        base_url=settings.base_url or DEFAULT_BASE_URL,
        http_client=http_client(settings),
        max_retries=0,  # retry.py retries alike for all APIs
    )
    client.admin_api_key = None
    if settings.base_url is not None:
        # Account names of the environment belong to OpenAI, not to whoever serves this address.
        client.organization = client.project = None
    return client


@asynccontextmanager
async def closing(
    settings: ProviderSettings, create: Callable[[], Awaitable[Any]]
) -> AsyncGenerator[AsyncIterator[Any], None]:
    """Open a stream of the SDK, give its events, and close its connection in the end, cancelled or not.

    All that goes wrong on the way comes out as ProviderError.
    """
    async with aclosing(_events(settings, create)) as events:
        yield events


async def _events(settings: ProviderSettings, create: Callable[[], Awaitable[Any]]) -> AsyncGenerator[Any, None]:
    where = settings.base_url or DEFAULT_BASE_URL
    stream: Any = None
    try:
        stream = await create()
        async for event in stream:
            yield event
    except Exception as error:
        if isinstance(error, ProviderError):
            raise
        # Its own text may hold what the server echoed: ours has the key taken out.
        raise mapped(error, where=where, key_name=settings.key_name, secret=settings.key) from None
    finally:
        if stream is not None:
            with anyio.CancelScope(shield=True):
                await stream.close()
