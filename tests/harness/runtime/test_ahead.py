"""How the process that workers descend from is begun before anything else, and never outlives whoever began it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.harness.runtime.playing import play
from tests.harness.runtime.test_pool import alive, until

import toolscript
from toolscript.errors import ConfigError
from toolscript.harness import Harness
from toolscript.limits import Limits
from toolscript.runtime import ahead
from toolscript.runtime.ahead import Ahead
from toolscript.runtime.nursery import Nursery
from toolscript.runtime.pool import Pool
from toolscript.runtime.sizing import frame_limit, settings_for

pytestmark = pytest.mark.anyio


@pytest.fixture
def begun(monkeypatch):
    """The process ids of all that is begun."""
    pids: list[int] = []
    spawn = ahead._spawn

    def noting(*given):
        process = spawn(*given)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(ahead, "_spawn", noting)
    return pids


async def test_a_harness_begins_the_workers_ancestor_with_itself_and_uses_it(workplace, begun):
    harness = Harness(workplace / "work")
    (pid,) = begun

    async with harness:
        assert (await harness.run("return 1")).result == 1
        assert harness.pool._nursery.pid == pid
    assert begun == [pid]
    assert not alive(pid)


async def test_a_harness_that_is_never_opened_leaves_no_process_behind(workplace, begun):
    harness = Harness(workplace / "work")
    (pid,) = begun
    assert alive(pid)

    del harness
    gc.collect()

    assert not alive(pid)


async def test_a_harness_that_cannot_be_leaves_no_process_behind(workplace, begun):
    (workplace / "config" / "toolscript" / "toolscript.toml").write_text("colour = 1")
    with pytest.raises(ConfigError):
        Harness(workplace / "work")
    gc.collect()

    assert not any(map(alive, begun))


async def test_when_its_host_is_killed_before_it_is_told_anything_it_ends():
    root = str(Path(toolscript.__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {root!r}); from toolscript.runtime.ahead import Ahead; import os\n"
    code += "begun = Ahead(); print(begun.take()[0].pid, flush=True); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == -signal.SIGKILL, done.stderr
    await until(lambda: not alive(int(done.stdout)))


async def test_a_process_that_died_before_the_pool_was_opened_is_replaced(begun):
    pool = Pool(min_size=1, ahead=Ahead())
    os.kill(begun[0], signal.SIGKILL)
    async with pool:
        assert (await play(pool, "return 1;")).result == 1
    assert len(begun) == 2
    assert not any(map(alive, begun))


async def test_a_pool_with_another_engine_ends_what_was_begun_for_it(begun):
    pool = Pool(min_size=1, engine="tests.workers.unlimited:WithoutRing1", ahead=Ahead())
    assert not alive(begun[0])
    async with pool:
        assert (await play(pool, "return 1;")).result == 1


async def test_workers_have_the_tools_at_hand_that_were_expected_before_the_pool_was_open(begun):
    from toolscript.runtime.session import FacadeEntry

    pool = Pool(min_size=1, ahead=Ahead())
    pool.expect([FacadeEntry(path=("echo",))])
    async with pool:
        async with pool.checkout() as session:
            furnished = session.worker.furnished
        assert furnished and furnished == pool._settings.facade
        assert (await play(pool, "return await tools.echo({n: 1});")).result == {"n": 1}


async def test_an_answer_for_which_nobody_waits_any_more_is_no_error(begun):
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
    settings = settings_for(Limits(), "quickjs-ng", 1)
    nursery = Nursery(*settings.begin().take(), frame_limit(Limits()))
    nursery._hello.cancel()
    (await nursery.fork()).close()  # what it said first has been heard by then
    await nursery.close()

    assert problems == []


async def test_a_command_can_have_it_begun_before_there_is_a_harness(workplace, begun):
    ahead.hold()
    first, second = Harness(workplace / "work"), Harness(workplace / "work")
    assert len(begun) == 2
    async with first:
        assert first.pool._nursery is None or first.pool._nursery.pid == begun[0]
    await second.aclose()
    assert not any(map(alive, begun))


ROOT = Path(__file__).resolve().parents[3]
FORKED = """
import asyncio, os, sys
sys.path[:0] = sys.argv[2:]
from toolscript.harness import Harness
harness = Harness(sys.argv[1])

async def use():
    async with harness:
        print((await harness.run("return 6 * 7")).result, flush=True)

for uses in (True, False):
    if (child := os.fork()) == 0:
        if uses:
            asyncio.run(use())
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
asyncio.run(use())
"""


def test_a_harness_that_was_made_before_a_fork_serves_child_and_parent_alike(workplace):
    paths = [str(ROOT / package) for package in ("harness", "tools")]
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(workplace / "work"), *paths], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()) == (0, ["42", "42"]), done.stderr
