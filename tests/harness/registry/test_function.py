"""Functions as tools, misbehaving ones included: each ends in a typed error, and the harness goes on."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from toolscript import tool
from toolscript.harness import Harness

pytestmark = pytest.mark.anyio
never = threading.Event()


class Point(BaseModel):
    x: float
    label: str | None = None


@dataclass
class Pair:
    left: int
    right: int


@tool(effect="read")
def point(x: float) -> Point:
    """Returns a model."""
    return Point(x=x)


@tool(effect="read")
async def swapped(pair: Pair) -> Pair:
    """Takes and returns a dataclass."""
    return Pair(pair.right, pair.left)


@tool(effect="read")
def exits() -> None:
    """Ends the process, if it can."""
    sys.exit(3)


@tool(effect="read")
async def exits_async() -> None:
    """Ends the process, if it can."""
    sys.exit(3)


@tool(effect="read")
def anything(what: str) -> Any:
    """Returns what is no JSON."""
    loop: list[Any] = []
    loop.append(loop)
    return {"object": object(), "number": [float("nan"), float("inf"), 1.5], "loop": loop, "bytes": b"\xff"}[what]


@tool(effect="read")
def lies() -> int:
    """Returns a text though it says number."""
    return "many"  # type: ignore[return-value]


@tool(effect="read")
def hangs() -> None:
    """Never returns by itself."""
    never.wait(60)


TOOLS = [point, swapped, exits, exits_async, anything, lies, hangs]


@pytest.fixture
async def harness(tmp_path: Path):
    never.clear()
    async with Harness(tmp_path, tools=TOOLS) as opened:
        yield opened
    never.set()


async def test_models_and_dataclasses_cross_both_ways(harness: Harness):
    run = await harness.run("return [await tools.point(1.5), await tools.swapped({pair: {left: 1, right: 2}})]")

    assert run.result == [{"x": 1.5}, {"left": 2, "right": 1}], run.error


@pytest.mark.parametrize(
    ("call", "code", "words"),
    [
        ("exits()", "tool_failed", "SystemExit: 3"),
        ("exitsAsync()", "tool_failed", "SystemExit: 3"),
        ("anything('object')", "bad_output", "not JSON"),
        ("anything('loop')", "bad_output", "not JSON"),
        ("anything('bytes')", "bad_output", "not JSON"),
        ("lies()", "bad_output", "not what it declares"),
        ("anything('other')", "tool_failed", "KeyError"),
    ],
)
async def test_what_a_function_does_wrong_is_a_typed_error_of_its_call(
    harness: Harness, call: str, code: str, words: str
):
    run = await harness.run(f"try {{ await tools.{call} }} catch (e) {{ return [e.code, e.message, e.tool] }}")

    assert run.result is not None, run.error
    assert (run.result[0], run.result[2]) == (code, call.partition("(")[0])
    assert words in run.result[1]
    assert (await harness.run("return 1")).result == 1


async def test_numbers_that_json_has_not_become_null_as_in_the_language_itself(harness: Harness):
    run = await harness.run("return [await tools.anything('number'), JSON.parse(JSON.stringify([NaN, Infinity, 1.5]))]")

    assert run.result == [[None, None, 1.5]] * 2, run.error


async def test_a_function_that_never_returns_ends_with_the_runs_time(harness: Harness):
    run = await harness.run("return tools.hangs()", limits={"wall_seconds": 0.5})

    assert (run.error or {})["code"] == "wall_time_limit"
    assert (await harness.run("return 1")).result == 1
