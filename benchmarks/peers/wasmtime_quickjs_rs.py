"""Runs the work in quickjs-rs: QuickJS in WebAssembly, in this process; a runtime and context for each script."""

from __future__ import annotations

import asyncio

import work
from quickjs_rs import Runtime

PRELUDE = "globalThis.tools = { f: (a) => f(a.n), big: (a) => big(a.size) }; 0"


async def f(n: int) -> int:
    return n


async def large(size: int) -> str:
    return work.big(size)


async def once(name: str) -> None:
    with Runtime(memory_limit=64 << 20) as runtime, runtime.new_context(timeout=30) as context:
        context.register("f", f, is_async=True)
        context.register("big", large, is_async=True)
        context.eval(PRELUDE)
        await context.eval_async(f"await (async () => {{ {work.JAVASCRIPT[name]} }})()")


asyncio.run(work.serve(once))
