"""The pool works on a bare asyncio loop, as in a kernel or a script: no test runner's context helps it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import asyncio, sys
sys.path[:0] = sys.argv[1:]
from toolscript.runtime.pool import Pool
from toolscript.runtime.session import Start

async def main():
    async with Pool(min_size=1, max_size=2) as pool:
        for _ in range(8):
            async with pool.checkout() as session:
                batch = await session.start(Start(source="return 1", prepared=None, last_expression=False, facade=()))
                assert batch.ended.result == "1"
        print(pool.metrics()["scripts"])

asyncio.run(main())
"""


def test_workers_are_replaced_without_a_word_on_stderr():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT / "harness")], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.stdout, done.stderr, done.returncode) == ("8\n", "", 0)
