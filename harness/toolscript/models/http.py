"""Decides how adapters reach a provider over HTTP: patience, no redirects, and a bound on what one reply may weigh."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from toolscript.errors import ProviderError
from toolscript.models.settings import ProviderSettings

if TYPE_CHECKING:
    import httpx2

_WORST_COMPRESSION = 1000


def too_large(what: str, allowed: int) -> ProviderError:
    """Return the error for a reply beyond its bound; it is not retried."""
    return ProviderError(f"the reply has more than {allowed:,} {what}; it was cut off", code="reply_too_large")


def client(settings: ProviderSettings) -> httpx2.AsyncClient:
    """Return an HTTP client for an SDK. Proxies and certificates are the environment's, as everywhere.

    Redirects are not followed: a key goes to the address that was configured, and nowhere else.
    """
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        """A body that fails once it weighs more than a reply may."""

        def __init__(self, inner: Any, allowed: int) -> None:
            self._inner = inner
            self._allowed = allowed

        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = self._allowed
            async for chunk in self._inner:
                left -= len(chunk)
                if left < 0:
                    raise too_large("bytes", self._allowed)
                yield chunk

        async def aclose(self) -> None:
            await self._inner.aclose()

    async def bound(response: httpx2.Response) -> None:
        # What comes compressed although we asked for it plain may be a bomb: it gets what a bomb may unpack to.
        packed = response.headers.get("content-encoding", "identity") != "identity"
        allowed = settings.reply_bytes // _WORST_COMPRESSION if packed else settings.reply_bytes
        response.stream = Bounded(response.stream, allowed)

    timeout = httpx2.Timeout(settings.silence, connect=settings.connect)
    return httpx2.AsyncClient(
        timeout=timeout,
        follow_redirects=False,
        event_hooks={"response": [bound]},
        headers={"Accept-Encoding": "identity"},
    )
