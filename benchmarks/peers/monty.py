"""Runs the work in pydantic-monty: a Python dialect, in subprocesses kept warm; a session for each script."""

from __future__ import annotations

import asyncio

import work
from pydantic_monty import AsyncMonty


async def f(n: int) -> int:
    return n


async def large(size: int) -> str:
    return work.big(size)


async def main() -> None:
    async with AsyncMonty(min_processes=2, max_processes=16) as pool:

        async def once(name: str) -> None:
            async with pool.checkout() as session:
                await session.feed_run(work.PYTHON[name], external_lookup={"f": f, "big": large})

        await work.serve(once)


asyncio.run(main())
