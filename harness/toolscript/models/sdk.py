"""Decides how adapters use an official SDK: started late, retried alike, closed always, failing as we do."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import anyio
import anyio.to_thread

from toolscript.errors import ProviderError
from toolscript.models.adapter import Finished, ModelEvent, ModelRequest
from toolscript.models.errors import failure, mapped
from toolscript.models.http import client as http_client
from toolscript.models.retry import retried
from toolscript.models.settings import ProviderSettings
from toolscript.models.surrogates import mended

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
_NO_KEY = "none"
"""What servers that want no key are sent, since the SDKs insist on one."""


class Client(Protocol):
    """What we need of an SDK's client besides its resources."""

    async def close(self) -> None:
        """Close connections."""
        ...


class Reader(Protocol):
    """Turns one reply's wire events into ours."""

    def read(self, event: Any) -> Iterator[ModelEvent]:
        """Yield what one event means. Raises ProviderError for error events and for what breaks the protocol."""
        ...

    def finish(self) -> Iterator[ModelEvent]:
        """Yield what only the end of the stream makes certain."""
        ...


C = TypeVar("C", bound=Client)

_LINGER = 0.2
"""How long the end of a reply may take to be followed by the end of its stream; seconds."""


class SdkAdapter(Generic[C]):
    """A ModelAdapter on an official SDK; each API says how it is asked and how its stream is read."""

    url: ClassVar[str]
    key_name: ClassVar[str]

    def __init__(self, settings: ProviderSettings | None = None) -> None:
        self._settings = settings or ProviderSettings(key_name=self.key_name)
        self._client: C | None = None

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Yield the reply as it comes; closing the iterator closes the connection. Raises ProviderError."""
        return retried(lambda: mended(self._attempt(request)), self._settings.retry)

    async def aclose(self) -> None:
        """Close connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    @abstractmethod
    def _make(self, settings: ProviderSettings) -> C:
        """Return the SDK's client."""

    @abstractmethod
    async def _create(self, client: C, request: ModelRequest) -> Any:
        """Send the request and return the SDK's stream."""

    @abstractmethod
    def _reader(self, request: ModelRequest) -> Reader:
        """Return a reader for one reply."""

    async def _attempt(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        client = self._client or await opened(self._make, self._settings)
        self._client = client
        reader = self._reader(request)
        finished: Finished | None = None
        async with streaming(self._settings, self.url, lambda: self._create(client, request)) as events:
            async for event in events:
                for meant in _read(reader, event):
                    if isinstance(meant, Finished):
                        finished = meant
                    else:
                        yield meant
                if finished is not None:
                    break
            await _drain(events)
        for meant in reader.finish() if finished is None else (finished,):
            yield meant


async def _drain(events: AsyncIterator[Any]) -> None:
    """Read what comes after the end of a reply, which is nothing: so the connection can serve the next step too."""
    with anyio.move_on_after(_LINGER), contextlib.suppress(ProviderError):
        async for _ in events:
            pass


def _read(reader: Reader, event: Any) -> Iterator[ModelEvent]:
    try:
        yield from reader.read(event)
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        # The SDKs do not check what they are sent: a field may be missing, or be anything.
        raise failure("provider_malformed", f"{type(error).__name__}: {error}") from None


async def opened(make: Callable[[ProviderSettings], C], settings: ProviderSettings) -> C:
    """Return a client. Raises ProviderError ``no_key`` where the provider's own address needs one.

    Importing an SDK takes most of a second, so that is done aside.
    """
    if not settings.key and settings.base_url is None:
        name = settings.key_name or "the provider's key"
        raise ProviderError(
            f"no key: set the environment variable {name}, or choose another agent (`recorded` needs no key)",
            code="no_key",
        )
    return await anyio.to_thread.run_sync(make, settings)


def openai(settings: ProviderSettings) -> AsyncOpenAI:
    """Return OpenAI's client; it sends nothing of the environment's accounts to another's address."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(
        api_key=settings.key or _NO_KEY,
        base_url=settings.base_url or OPENAI_URL,
        http_client=http_client(settings),
        max_retries=0,  # retry.py retries alike for all APIs
    )
    client.admin_api_key = None
    if settings.base_url is not None:
        client.organization = client.project = None
    return client


def anthropic(settings: ProviderSettings) -> AsyncAnthropic:
    """Return Anthropic's client; an explicit key keeps it from looking for credentials of its own."""
    from anthropic import AsyncAnthropic

    return AsyncAnthropic(
        api_key=settings.key or _NO_KEY,
        base_url=settings.base_url or ANTHROPIC_URL,
        http_client=http_client(settings),
        max_retries=0,
    )


@asynccontextmanager
async def streaming(
    settings: ProviderSettings, default_url: str, create: Callable[[], Awaitable[Any]]
) -> AsyncGenerator[AsyncIterator[Any], None]:
    """Open a stream of an SDK, give its events, and close its connection in the end, cancelled or not.

    All that goes wrong on the way comes out as ProviderError.
    """
    async with aclosing(_events(settings, settings.base_url or default_url, create)) as events:
        yield events


async def _events(
    settings: ProviderSettings, where: str, create: Callable[[], Awaitable[Any]]
) -> AsyncGenerator[Any, None]:
    stream: Any = None
    try:
        stream = await create()
        async for event in stream:
            yield event
    except Exception as error:
        # Its own text and frames may hold what was echoed or sent: ours has the key taken out.
        raise mapped(
            error, begun=stream is not None, where=where, key_name=settings.key_name, secret=settings.key
        ) from None
    finally:
        if stream is not None:
            with anyio.CancelScope(shield=True):
                await stream.close()
