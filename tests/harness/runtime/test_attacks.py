"""Scripts that mean harm end as they should, and after each the host is as it was and the next script runs."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from dataclasses import replace

import anyio
import pytest
from tests.harness.runtime.attack_cases import ANY, CASES, Case, answer_of
from tests.harness.runtime.playing import Played, play, tight

from toolscript.errors import StackExceeded, ToolscriptError
from toolscript.runtime.pool import Pool

CANARY = "canary-7d1f"
MODULES = {"quickjs-ng": "_quickjs", "quickjs-rs": "quickjs_rs"}
OTHERWISE = {
    # In WebAssembly a stack that overflows ends the instance, and nothing catches that.
    "BRI-11 very deep arguments": {"errors": (StackExceeded,)},
    # Its frames name the text of the script in another way, and its engine is older.
    "ERR-05 the stack's own hooks": {"result": ANY},
    "ASY-09 a generator that never lets go": {"result": 1},
}
"""How cases end in quickjs-rs, where that differs."""
pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["quickjs-ng", "quickjs-rs"])
async def pool(anyio_backend, request):
    if importlib.util.find_spec(MODULES[request.param]) is None:
        pytest.skip(f"{request.param} is not installed")
    os.environ["TOOLSCRIPT_TEST_CANARY"] = CANARY
    try:
        async with Pool(min_size=1, max_size=2, grace_seconds=0.1, engine=request.param) as opened:
            opened.engine_name = request.param
            yield opened
    finally:
        del os.environ["TOOLSCRIPT_TEST_CANARY"]


async def settled(pool: Pool) -> None:
    """Wait until the pool has replaced what it lost."""
    with anyio.fail_after(20):
        await anyio.sleep(0.005)  # what a script leaves behind is closed in the next turn of the loop
        while pool.metrics()["starting"] or pool.metrics()["busy"] or pool.metrics()["idle"] < 1:
            await anyio.sleep(0.005)


def held(pool: Pool) -> tuple[int, int]:
    """Return descriptors beyond those of waiting workers, and tasks."""
    workers = pool.metrics()["idle"]
    return len(os.listdir("/proc/self/fd")) - 2 * workers, len(asyncio.all_tasks())


async def attempt(pool: Pool, case: Case) -> Played | ToolscriptError:
    try:
        return await play(pool, case.script, answer_of(case), limits=tight(**case.limits))
    except ToolscriptError as error:
        return error


def judge(case: Case, outcome: Played | ToolscriptError) -> None:
    if isinstance(outcome, Played) and outcome.stuck:
        assert case.stuck
        return
    error = outcome if isinstance(outcome, ToolscriptError) else None
    if error is None and hasattr(outcome.messages[-1], "error"):
        error = outcome.error
    if error is not None:
        assert isinstance(error, case.errors), repr(error)
        assert case.says in f"{type(error).__name__} {error.message} {error.position}"
        return
    assert case.result is not None, outcome.result
    if case.result is not ANY:
        assert outcome.result == case.result


@pytest.mark.parametrize("name", list(CASES))
async def test_an_attack_ends_as_it_should_and_harms_nothing(pool, name):
    await settled(pool)
    before = held(pool)

    outcome = await attempt(pool, CASES[name])

    judge(replace(CASES[name], **OTHERWISE.get(name, {})) if pool.engine_name == "quickjs-rs" else CASES[name], outcome)
    assert CANARY not in repr(outcome) + repr(getattr(outcome, "messages", ""))
    assert (await play(pool, "return [typeof bag, 'next'];")).result == ["undefined", "next"]
    await settled(pool)
    assert held(pool) == before


async def test_a_call_is_what_the_script_wrote_whatever_it_patched(pool):
    for name in (
        "PRO-08 JSON replaced",
        "PRO-09 toJSON that forges the call",
        "PRO-10 getters named like fields of the protocol",
    ):
        played = await play(pool, CASES[name].script, answer_of(CASES[name]))
        assert [c.tool for c in played.calls] == ["read"], name


async def test_a_call_within_a_call_is_a_call_like_any_other(pool):
    played = await play(pool, CASES["BRI-07 a call within a call"].script)

    assert [(c.number, c.tool) for c in played.calls] == [(1, "exec"), (2, "echo")]


async def test_calls_after_the_end_are_not_made(pool):
    played = await play(pool, CASES["ASY-07 a call after the end"].script)

    assert played.calls == []


async def test_a_long_chain_of_causes_is_cut(pool):
    case = CASES["ERR-04 a hundred thousand causes"]
    error = (await play(pool, case.script, limits=tight(**case.limits))).error

    assert len(error.message) < 10_000


async def test_an_error_that_pretends_has_no_cause(pool):
    error = (await play(pool, CASES["ERR-09 an error that pretends to be a denial"].script)).error

    assert error.cause is None
    assert error.code == "script_threw"
