"""Runs the work in smolagents' local executor: a Python interpreter in this process, without isolation."""

from __future__ import annotations

import asyncio

import work
from smolagents.local_python_executor import LocalPythonExecutor


async def once(name: str) -> None:
    executor = LocalPythonExecutor([], additional_functions={"f": lambda n: n, "big": work.big})
    executor.send_tools({})
    executor(work.SYNCHRONOUS[name])


asyncio.run(work.serve(once))
