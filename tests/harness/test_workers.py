"""The workers of a harness are configured by a table, and what they did can be asked for."""

from __future__ import annotations

import os
import signal

import anyio
import pytest

from toolscript.agent.workers import Workers
from toolscript.errors import ConfigError
from toolscript.harness import Harness
from toolscript.metrics import told

pytestmark = pytest.mark.anyio


def written(workplace, text):
    (workplace / "config" / "toolscript" / "toolscript.toml").write_text(text)
    return Harness(workplace / "work")


def at_rest(harness):
    pool = harness.metrics()["pool"]
    return pool["idle"] >= 1 and not pool["starting"]


async def until(condition):
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.005)


async def test_workers_are_as_the_users_file_says(workplace):
    async with written(workplace, "[workers]\nmin_size = 2\nmax_size = 2\nqueue = 0\nuses_per_worker = 3\n") as harness:
        await until(lambda: harness.metrics()["pool"]["idle"] == 2)
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(harness.run, "await sleep(60000)")
            await until(lambda: harness.metrics()["pool"]["busy"] == 2)
            refused = await harness.run("return 1")
            group.cancel_scope.cancel()
        runs = [await harness.run("return (globalThis.bag ??= []).push(1)") for _ in range(7)]

    assert (refused.error["code"], refused.error["details"]) == ("pool_busy", {"busy": 2, "waiting": 0})
    assert [run.result for run in runs] == [1] * 7
    restarts = harness.metrics()["pool"]["restarts"]
    assert restarts["used_up"] in (1, 2), "seven scripts in two processes of three uses each"
    assert restarts["cancelled"] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[workers]\nmax = 3", r":2: workers.max: there is no such setting"),
        ("[workers]\nmax_size = 0", r":2: workers.max_size: .*greater than or equal to 1"),
        ("[workers]\nmin_size = 20", r":1: workers: min_size may be max_size \(16\) at most, got 20"),
        ('[workers]\nengine = "v8"', "there is no engine 'v8'; install the package that brings it"),
    ],
)
async def test_workers_that_cannot_be_are_refused_before_anything_starts(workplace, text, said):
    with pytest.raises(ConfigError, match=said):
        written(workplace, text)


async def test_a_workspaces_own_file_does_not_change_the_workers_unless_it_is_trusted(workplace):
    (workplace / "work" / "toolscript.toml").write_text("[workers]\nuses_per_worker = 9\n")
    harness = Harness(workplace / "work")

    assert harness.workers == Workers()
    assert "workers.uses_per_worker = 9" in harness.configuration.notice


async def test_a_variable_of_the_environment_changes_the_workers(workplace, monkeypatch):
    monkeypatch.setenv("TOOLSCRIPT_WORKERS__MAX_SIZE", "3")

    assert Harness(workplace / "work").workers.max_size == 3


async def test_workers_and_caches_tell_what_they_did(workplace):
    harness = Harness(workplace / "work")
    assert told(harness.metrics()) == {"workers": "0 (0 busy, 0 idle, 0 starting)", "scripts": "0 run"}
    async with harness:
        for source in ("const a: number = 1; return a", "const a: number = 1; return a", "return 2", "return 2"):
            await harness.run(source)
        await until(lambda: at_rest(harness))
        pid = harness.metrics()["pool"]["pids"][0]
        os.kill(pid, signal.SIGKILL)
        await until(lambda: "died_idle" in harness.metrics()["pool"]["restarts"])
        await until(lambda: at_rest(harness))
        metrics = harness.metrics()

    pool = metrics["pool"]
    assert pool["size"] == pool["idle"] == len(pool["pids"]) >= 1
    assert (pool["busy"], pool["starting"], pool["waiting"], pool["scripts"]) == (0, 0, 0, 4)
    assert pool["restarts"] == {"used_up": 4, "died_idle": 1}
    assert metrics["scripts"] == {
        "parse_hits": 2, "parse_misses": 2, "parse_hit_rate": 0.5, "parsed": 2,
        "blank_hits": 2, "blank_misses": 2, "blank_hit_rate": 0.5, "blanked": 2,
    }  # fmt: skip
    ready = pool["idle"]
    assert told(metrics) == {
        "workers": f"{ready} (0 busy, {ready} idle, 0 starting); replaced: died idle 1, used up 4",
        "scripts": "4 run; known already: parsed 50%, stripped 50%",
    }


async def test_the_second_engine_is_chosen_by_name_and_runs_scripts_and_tools(workplace):
    pytest.importorskip("quickjs_rs", reason="pip install toolscript[wasm]")
    (workplace / "work" / "a.txt").write_text("hello")
    async with written(workplace, '[workers]\nengine = "quickjs-rs"\n') as harness:
        run = await harness.run("const t: string = await readFile('a.txt'); console.log(t); return t.length;")
        full = await harness.run("const a = []; for (;;) a.push(new Array(1000).fill(0));")
        endless = await harness.run("for (;;) {}", limits={"guest_seconds": 0.3})

    assert (run.error, run.result, run.logs[0].text) == (None, 5, "hello")
    assert (full.error["code"], endless.error["code"]) == ("heap_limit", "guest_time_limit")


@pytest.mark.parametrize(
    ("source", "code"), [("throw null;", "script_threw"), ("await new Promise(() => {});", "deadlock")]
)
async def test_what_a_script_is_given_does_not_count_as_its_memory(tmp_path, source, code):
    given = {"x": "a" * (1 << 20)}
    async with Harness(tmp_path) as harness:
        run = await harness.run(source, params=given, limits={"heap_bytes": 4 << 20})
    assert run.error["code"] == code
