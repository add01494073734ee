"""Decides what an adapter is given to reach its provider: address, key, patience and bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently a failed request is sent again; times in seconds.

    ``attempts`` counts the first one. A ``Retry-After`` beyond ``patience`` is not waited for: the error is
    raised at once, saying how long the provider wants.
    """

    attempts: int = 4
    base: float = 0.5
    cap: float = 20.0
    patience: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """Where a provider is, who we are to it, and how much of it we bear.

    ``key_name`` is the environment variable that the key came from (or should come from), for messages.
    ``silence`` is the longest time without a byte; ``reply_bytes`` and ``reply_characters`` bound one reply.
    """

    base_url: str | None = None
    api_key: SecretStr | None = None
    key_name: str = ""
    recordings: tuple[Path, ...] = ()
    connect: float = 10.0
    silence: float = 180.0
    reply_bytes: int = 64 * 1024 * 1024
    reply_characters: int = 2_000_000
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    @property
    def key(self) -> str:
        """The key's text, empty without one."""
        return self.api_key.get_secret_value() if self.api_key is not None else ""
