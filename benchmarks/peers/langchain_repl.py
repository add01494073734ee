"""Runs the work in langchain-quickjs, through its middleware's tool; LangChain's own invocation is part of it."""

from __future__ import annotations

import asyncio
import warnings
from types import SimpleNamespace
from typing import Any

import work
from langchain_core.tools import tool
from langchain_quickjs import CodeInterpreterMiddleware

warnings.simplefilter("ignore")


@tool
async def f(n: int) -> int:
    """Answer at once."""
    return n


@tool
async def big(size: int) -> str:
    """Answer at once."""
    return work.big(size)


async def main() -> None:
    middleware: Any = CodeInterpreterMiddleware(ptc=[f, big])
    (run,) = middleware.tools
    runtime = SimpleNamespace(
        state={"_quickjs_slot_id": "bench"},
        tool_call_id="call-1",
        config={},
        context=None,
        store=None,
        stream_writer=None,
    )

    async def once(name: str) -> None:
        said = await run.coroutine(runtime=runtime, code=f"await (async () => {{ {work.JAVASCRIPT[name]} }})()")
        if "rror" in said.content:
            raise RuntimeError(said.content)

    await work.serve(once)


asyncio.run(main())
