"""Runs the work in langchain-quickjs, through its middleware's tool, a fresh context for each script (mode ``call``).

Its tools are laid out when a model is asked, so once it is told of such a request; no model is.
"""

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
    middleware: Any = CodeInterpreterMiddleware(ptc=[f, big], mode="call", timeout=30)
    (run,) = middleware.tools
    state = {"_quickjs_slot_id": "bench"}
    request = SimpleNamespace(tools=[f, big], state=state, system_message=None, override=lambda **changed: None)
    middleware.wrap_model_call(request, lambda changed: None)
    runtime = SimpleNamespace(
        state=state,
        tools=[f, big],
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
