"""Decides what workers are given and may send, by the limits of the scripts that come, and which pools there can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolscript.errors import ConfigError, PoolBusy
from toolscript.runtime.control import PATIENCE_SECONDS, RING_2, STEP_SECONDS
from toolscript.runtime.nursery import Settings, engine_named

if TYPE_CHECKING:
    from toolscript.limits import Limits

_MOST_PREPARED = 16
_ADDRESS_SPACE = 192 * 1024 * 1024
"""What a worker may map beside its heap and values in transit: Python and the engine."""
_REALM_SECONDS = 0.02
"""CPU time for what a worker does around each of its scripts."""
_FRAME_OVERHEAD = 1024 * 1024


def settings_for(limits: Limits, engine: str, uses: int) -> Settings:
    """Return what a zygote is told. Raises ConfigError for an engine that is not there."""
    path, modules = engine_named(engine)
    return Settings(
        engine=path,
        modules=modules,
        prepared=min(uses, _MOST_PREPARED),
        uses=uses,
        address_space=_ADDRESS_SPACE + 4 * limits.heap_bytes,
        cpu_seconds=int(uses * _most_seconds(limits)) + 2,
    )


def _most_seconds(limits: Limits) -> float:
    """Return what one script and all around it may take of a worker's CPU time: behind ring 2, the kernel watches."""
    steps = (limits.calls + limits.timers) * STEP_SECONDS
    return RING_2 * limits.guest_seconds + steps + PATIENCE_SECONDS + _REALM_SECONDS


def frame_limit(limits: Limits) -> int:
    """Return the largest frame in bytes.

    A script's messages lie in its heap before they are sent; UTF-8 may double them, JSON escapes more.
    """
    return 6 * limits.heap_bytes + _FRAME_OVERHEAD


def check_sizes(low: int, high: int, queue: int, uses: int) -> None:
    """Raise ConfigError for sizes that no pool can have."""
    if not 0 <= low <= high or high < 1 or queue < 0 or uses < 1:
        raise ConfigError(
            f"a pool needs 0 <= min_size <= max_size, max_size >= 1, queue >= 0 and uses_per_worker >= 1, "
            f"got {low}, {high}, {queue}, {uses}"
        )


def full(busy: int, waiting: int, how_long: str = "") -> PoolBusy:
    """Return the error for whom no worker is left; ``how_long`` says for which time none was."""
    return PoolBusy(
        f"{busy} scripts run and {waiting} wait{how_long}; try again later, or raise max_size of [workers]",
        details={"busy": busy, "waiting": waiting},
    )
