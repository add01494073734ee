"""Decides by which names a recording knows the engine and the facade that it was made with."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from toolscript.runtime.nursery import engine_named
from toolscript.runtime.prelude import prelude


@cache
def installation(engine: str = "quickjs-ng") -> dict[str, str]:
    """Return ``engine`` and ``facade`` of this installation: equal names replay alike. Raises ConfigError."""
    return {"engine": _engine(engine), "facade": hashlib.sha256(prelude().encode()).hexdigest()}


def _engine(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:  # an engine that another package brings
        return f"{name} {engine_named(name)[0]}"
