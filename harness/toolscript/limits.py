"""Decides what one run may use, and that a request can only ever tighten it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

from toolscript import units
from toolscript.errors import ConfigError

KIB = 1024
MIB = 1024 * KIB
_MOST: dict[str, float] = {"stack_bytes": 4 * MIB}
"""What no worker can hold more of: with a larger stack it would end before its engine notices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use; sizes in bytes, times in seconds.

    ``guest_seconds`` is the worker's CPU time while the engine runs; ``wall_seconds`` stands still only
    while every pending call waits for an approval.
    """

    source_bytes: int = 20 * KIB
    guest_seconds: float = 5.0
    wall_seconds: float = 600.0
    heap_bytes: int = 16 * MIB
    stack_bytes: int = 512 * KIB
    calls: int = 32
    in_flight: int = 4
    timers: int = 1_000
    argument_bytes: int = MIB
    result_bytes: int = MIB
    tool_output_bytes: int = MIB
    store_bytes: int = MIB
    console_bytes: int = 256 * KIB
    console_events: int = 200
    console_events_per_second: int = 20
    denials: int = 3
    approval_seconds: float = 900.0
    task_seconds: float = 900.0

    def __post_init__(self) -> None:
        for name in limit_names():
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"limit {name} must be greater than zero, got {getattr(self, name)!r}")
            if name in _counts() and not isinstance(getattr(self, name), int):
                raise ConfigError(f"limit {name} must be a whole number, got {getattr(self, name)!r}")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                told = units.amount(most, unit_of(name))
                raise ConfigError(f"limit {name} may be {told} at most, got {getattr(self, name)!r}")

    def widened(self, other: Limits) -> Limits:
        """Return the larger of each of both: what must be there for runs under either."""
        larger: dict[str, Any] = {name: max(getattr(self, name), getattr(other, name)) for name in limit_names()}
        return replace(self, **larger)

    def to_json(self) -> dict[str, float]:
        """Return the limits by name, as a run's record holds them."""
        return {name: getattr(self, name) for name in limit_names()}

    def tightened(self, requested: Mapping[str, float]) -> Limits:
        """Return these limits with each requested one lowered to the request.

        Raises ConfigError for an unknown name, a value that is no positive number, or one above the
        configured maximum: a script asks for less, never for more.
        """
        if not requested:
            return self
        for name, value in requested.items():
            self._check(name, value)
        lowered: dict[str, Any] = {n: int(v) if n in _counts() else float(v) for n, v in requested.items()}
        return replace(self, **lowered)

    def _check(self, name: str, value: float) -> None:
        if name not in limit_names():
            raise ConfigError(f"there is no limit {name!r}; limits are {', '.join(limit_names())}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ConfigError(f"limit {name} must be a number greater than zero, got {value!r}")
        if value > getattr(self, name):
            most = units.amount(getattr(self, name), unit_of(name))
            raise ConfigError(f"limit {name} may be lowered, not raised: {units.amount(value, unit_of(name))} > {most}")


def unit_of(name: str) -> str:
    """Return the unit of a limit: ``bytes``, ``s``, or none for a count."""
    ending = name.rpartition("_")[2]
    return {"bytes": "bytes", "seconds": "s"}.get(ending, "")


@cache
def limit_names() -> tuple[str, ...]:
    """Return the names that a configuration, pragma or cell may use."""
    return tuple(f.name for f in fields(Limits))


@cache
def _counts() -> frozenset[str]:
    return frozenset(f.name for f in fields(Limits) if f.type == "int")
