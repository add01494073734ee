"""How tests ask an adapter."""

from __future__ import annotations

from typing import Any

from toolscript.models.adapter import ModelRequest

TOP = "<original-user-prompt>\nhi\n</original-user-prompt>"


def request(**fields: Any) -> ModelRequest:
    return ModelRequest(**({"model": "m", "instructions": "Be good.", "original_prompt": TOP} | fields))


async def collect(adapter: Any, asked: ModelRequest | None = None) -> list[Any]:
    try:
        return [event async for event in adapter.stream(asked or request())]
    finally:
        await adapter.aclose()
