"""Decides how the harness's own numbers are told: of its workers and of its script caches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolscript.errors import Json


def hit_rates(counts: Mapping[str, int]) -> dict[str, Json]:
    """Return a cache's counts with the part of hits of each half, from 0 to 1; None before anything was asked."""
    rates = {f"{half}_hit_rate": _rate(counts[f"{half}_hits"], counts[f"{half}_misses"]) for half in ("parse", "blank")}
    return {**counts, **rates}


def _rate(hits: int, misses: int) -> float | None:
    return round(hits / (hits + misses), 3) if hits + misses else None


def told(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return ``Harness.metrics()`` as a few named lines for a person; none for none."""
    if not metrics:
        return {}
    return {"workers": _workers(metrics["pool"]), "scripts": _scripts(metrics["pool"], metrics["scripts"])}


def _workers(pool: Mapping[str, Any]) -> str:
    now = ", ".join(f"{pool[name]} {name}" for name in ("busy", "idle", "starting"))
    waiting = f"; {pool['waiting']} scripts wait for one" if pool["waiting"] else ""
    causes = ", ".join(f"{cause.replace('_', ' ')} {count}" for cause, count in sorted(pool["restarts"].items()))
    return f"{pool['size']} ({now}){waiting}{f'; replaced: {causes}' if causes else ''}"


def _scripts(pool: Mapping[str, Any], scripts: Mapping[str, Any]) -> str:
    rates = [(what, scripts[f"{half}_hit_rate"]) for what, half in (("parsed", "parse"), ("stripped", "blank"))]
    known = ", ".join(f"{what} {rate:.0%}" for what, rate in rates if rate is not None)
    return f"{pool['scripts']} run{f'; known already: {known}' if known else ''}"
