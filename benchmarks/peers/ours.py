"""Runs the work in toolscript, through the whole of ``Harness.run``: events, journal, registry and road included.

python ours.py FOLDER [uses_per_worker] [engine]

What it writes down goes into the folder and stays there: where many files were removed just now, making one takes long.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / package) for package in ("harness", "tools", "kernel", "extension"))]

from pydantic import BaseModel  # noqa: E402

from benchmarks.peers import work  # noqa: E402
from toolscript.agent.workers import Workers  # noqa: E402
from toolscript.harness import Harness  # noqa: E402
from toolscript.limits import Limits  # noqa: E402
from toolscript.registry.classification import Classification, Danger, Effect  # noqa: E402
from toolscript.registry.shape import Shape  # noqa: E402
from toolscript.registry.tool import ToolModel, ToolSpec  # noqa: E402

LIMITS = Limits(calls=200, in_flight=16, guest_seconds=30)


class Number(ToolModel):
    n: int


class Size(ToolModel):
    size: int


class Tool:
    """A tool that does nothing but answer, so that what is around it is measured."""

    def __init__(self, name: str, model: type[BaseModel], output: Any, answer: Any) -> None:
        self.spec = ToolSpec(
            name=name, doc="Answers at once.", effect=Effect.READ, input=Shape.of(model), output=Shape.of(output)
        )
        self._answer = answer

    async def classify(self, arguments: Any, context: Any) -> Classification:
        return Classification(effect=Effect.READ, danger=Danger.KNOWN_SAFE)

    async def call(self, arguments: Any, context: Any) -> Any:
        return self._answer(arguments)

    def render(self, arguments: Any, output: Any) -> str:
        return str(output)


def tools() -> tuple[Tool, ...]:
    return Tool("f", Number, int, lambda a: a.n), Tool("big", Size, str, lambda a: work.big(a.size))


async def main() -> None:
    folder = tempfile.mkdtemp(dir=sys.argv[1])
    uses = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    engine = sys.argv[3] if len(sys.argv) > 3 else "quickjs-ng"
    workers = Workers(uses_per_worker=uses, engine=engine, min_size=16, max_size=32)
    os.environ["XDG_STATE_HOME"] = f"{folder}/state"
    (workspace := Path(folder, "workspace")).mkdir()
    async with Harness(workspace, tools=tools(), limits=LIMITS, workers=workers) as harness:

        async def once(name: str) -> None:
            run = await harness.run(work.JAVASCRIPT[name])
            if run.error is not None:
                raise RuntimeError(str(run.error))

        await once("noop")
        gc.freeze()  # as the command and the kernel do: what is loaded stays
        await work.serve(once)


if __name__ == "__main__":
    asyncio.run(main())
