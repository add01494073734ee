"""Decides what work is measured, in each language, and how a runner is asked for it.

A runner reads one JSON object a line: ``{"work": name, "n": runs, "at": how many at once, "row": runs in a row, "pause":
seconds after each row}``, and answers with ``{"ms": [milliseconds of each run], "seconds": of all}`` or ``{"error": text}``. It
times inside its own process.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

JAVASCRIPT = {
    "noop": "return 1;",
    "1 call": "return await tools.f({ n: 1 });",
    "10 parallel": "return (await Promise.all(Array.from({ length: 10 }, (_, n) => tools.f({ n })))).length;",
    "10 sequential": "let s = 0; for (let n = 0; n < 10; n++) s += await tools.f({ n }); return s;",
    "100 parallel": "return (await Promise.all(Array.from({ length: 100 }, (_, n) => tools.f({ n })))).length;",
    "100 sequential": "let s = 0; for (let n = 0; n < 100; n++) s += await tools.f({ n }); return s;",
    "100 KB value": "return (await tools.big({ size: 100000 })).length;",
    "1 MB value": "return (await tools.big({ size: 1000000 })).length;",
    "fib(20)": "const fib = (n) => n < 2 ? n : fib(n - 1) + fib(n - 2); return fib(20);",
}
PYTHON = {
    "noop": "1",
    "1 call": "await f(1)",
    "10 parallel": "import asyncio\nlen(await asyncio.gather(*[f(n) for n in range(10)]))",
    "10 sequential": "s = 0\nfor n in range(10):\n    s += await f(n)\ns",
    "100 parallel": "import asyncio\nlen(await asyncio.gather(*[f(n) for n in range(100)]))",
    "100 sequential": "s = 0\nfor n in range(100):\n    s += await f(n)\ns",
    "100 KB value": "len(await big(100000))",
    "1 MB value": "len(await big(1000000))",
    "fib(20)": "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(20)",
}
SYNCHRONOUS = {name: code.replace("await ", "") for name, code in PYTHON.items() if "gather" not in code}
"""The same for Python dialects without coroutines; what is parallel elsewhere cannot be said there."""


def big(size: int) -> str:
    return "x" * (size - 2)


async def serve(once: Callable[[str], Awaitable[Any]]) -> None:
    """Answer until the input ends; ``once`` does one piece of work by name."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        try:
            answer = await _measured(once, **order)
        except Exception as error:  # whatever a peer does, the others are measured
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), flush=True)


async def _measured(
    once: Callable[[str], Awaitable[Any]], work: str, n: int, at: int, row: int, pause: float
) -> dict[str, Any]:
    times: list[float] = []
    left = n

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            began = time.perf_counter()
            await once(work)
            times.append((time.perf_counter() - began) * 1000)
            if pause and len(times) % row == 0:
                await asyncio.sleep(pause)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at)))
    return {"ms": times, "seconds": time.perf_counter() - began}
