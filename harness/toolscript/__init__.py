"""Lets a language model act by writing TypeScript: from model text to results, behind one door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolscript.registry.function import tool

__all__ = ["tool"]


def __getattr__(name: str) -> Any:
    # Loaded on demand: a kernel answers its first message before the library is there.
    if name == "tool":
        from toolscript.registry.function import tool

        return tool
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
