"""A host that has no file descriptor left fails run by run with typed errors, and works again once there are some."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOST = """
import asyncio, json, os, resource, signal, sys

from toolscript.approvals.rules import Rule
from toolscript.harness import Harness

SCRIPTS = (
    "return 1;",
    "return (await tools.exec({ command: ['echo', 'hi'] })).stdout;",
    "return await readFile('a.txt');",
    "await writeFile('b.txt', 'x'); return 2;",
)
RESULTS = [1, "hi\\n", "hello", 2]


async def results(harness):
    runs = [await asyncio.wait_for(harness.run(script), 60) for script in SCRIPTS]
    return [run.result if run.error is None else {"code": run.error["code"], "message": run.error["message"]} for run in runs]


async def rested(harness):
    while harness.metrics()["pool"]["starting"] or harness.metrics()["pool"]["busy"]:
        await asyncio.sleep(0.01)


def exhaust(left):
    held = []
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        for fd in held[:left]:
            os.close(fd)
    return held[left:]


async def main():
    async with Harness(sys.argv[1], rules=[Rule(tool="exec", verdict="allow")]) as harness:
        assert await results(harness) == RESULTS
        await rested(harness)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (96, hard))
        for left in range(7):
            held = exhaust(left)
            for pid in harness.metrics()["pool"]["pids"]:
                os.kill(pid, signal.SIGKILL)  # so that a worker must be started, too
            poor = await results(harness)
            for fd in held:
                os.close(fd)
            print(json.dumps([left, poor, await results(harness)]), flush=True)
            await rested(harness)
        left_over = len(os.listdir("/proc/self/fd")) - 2 * harness.metrics()["pool"]["idle"]
    print(json.dumps(left_over < 40))


asyncio.run(main())
"""


def test_a_host_without_free_descriptors_says_so_and_works_again_when_there_are_some(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    roots = [str(ROOT / name) for name in ("harness", "tools")]
    code = f"import sys; sys.path[:0] = {roots!r}\n{HOST}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=110, check=False
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-2000:]
    *rounds, clean = map(json.loads, done.stdout.splitlines())
    assert [left for left, _, _ in rounds] == list(range(7))
    for left, poor, rich in rounds:
        problems = [result for result in poor if isinstance(result, dict)]
        assert problems or left > 4, poor
        for problem in problems:
            assert problem["code"] in ("host_error", "journal_error", "io_error"), problem
            assert "Too many open files" in problem["message"], problem
        assert rich == [1, "hi\n", "hello", 2], (left, rich)
    assert clean
