"""Decides by which words a tool's effect on the world, and the danger of one call, are known."""

from __future__ import annotations

from enum import StrEnum


class Effect(StrEnum):
    """What a tool can do to the world, at most."""

    READ = "read"
    WRITE = "write"
    EXECUTE = "execute"
    NETWORK = "network"


class Danger(StrEnum):
    """How much one exact call is to be trusted."""

    KNOWN_SAFE = "known_safe"
    ORDINARY = "ordinary"
    DANGEROUS = "dangerous"
