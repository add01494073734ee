"""Decides how many worker processes a harness keeps, of which engine, and for how many scripts each is good."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Workers(BaseModel):
    """The ``[workers]`` table: what :class:`toolscript.runtime.pool.Pool` is made with, by the same names.

    ``max_size`` counts scripts that wait, too: for tools, for people, for other agents. ``uses_per_worker`` above 1
    gives throughput: a process then serves so many scripts, each in a fresh realm. ``engine`` is an entry point of
    ``toolscript.engines``, such as ``quickjs-rs``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str = "quickjs-ng"
    min_size: Annotated[int, Field(ge=0)] = 1
    max_size: Annotated[int, Field(ge=1)] = 16
    queue: Annotated[int, Field(ge=0)] = 64
    queue_seconds: Annotated[float, Field(gt=0)] = 600.0
    uses_per_worker: Annotated[int, Field(ge=1)] = 1
    idle_seconds: Annotated[float, Field(gt=0)] = 60.0
    grace_seconds: Annotated[float, Field(ge=0)] = 5.0

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if self.min_size > self.max_size:
            raise ValueError(f"min_size may be max_size ({self.max_size}) at most, got {self.min_size}")
        return self

    def options(self) -> dict[str, Any]:
        """Return the pool's keyword arguments."""
        return self.model_dump()
