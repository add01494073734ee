"""What ``toolscript doctor`` says of machines that lack something, and that scripts run there all the same.

The machines are made: a filter of system calls refuses what an old kernel or a container does not have.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.needs import need

need("landlock", "seccomp")
ROOT = Path(__file__).parents[3]
ROOTS = [str(ROOT / name) for name in ("harness", "tools", "kernel", "extension")]
POOR = """
import errno, sys
from toolscript.confine.seccomp import ALLOW, Action, Filter, Rule, load
calls = tuple(sys.argv[1].split(","))
if calls != ("",):
    load(Filter(default=ALLOW, rules=(Rule(calls=calls, action=Action.errno(errno.ENOSYS)),)))
"""
DOCTOR = "from toolscript_extension.cli import main; sys.argv = ['toolscript', 'doctor', '--json']; main()"
RUNS = """
import asyncio, json
from toolscript.harness import Harness

async def main():
    async with Harness(sys.argv[2]) as harness:
        told = []
        for script in ("const n: number = 42; return n;", "return await readFile('a.txt');", "for (;;) {}",
                       "return (await tools.exec({ command: ['cat', 'a.txt'] })).stdout;",
                       "return (await tools.exec({ command: ['sort', 'a.txt'] })).stdout;", "return 1;"):
            run = await harness.run(script, limits={"guest_seconds": 0.5})
            told.append(run.result if run.error is None else run.error["code"])
        print(json.dumps(told))

asyncio.run(main())
"""
LACKING = {
    "an old kernel, without Landlock": (("landlock_create_ruleset",), {"workers: landlock"}, "hello"),
    "a container that lets nobody filter calls": (("seccomp",), {"workers: seccomp"}, "approval_unavailable"),
    "neither": (
        ("landlock_create_ruleset", "seccomp"), {"workers: landlock", "workers: seccomp"}, "approval_unavailable"
    ),
    "no descriptors of processes": (("pidfd_open", "pidfd_send_signal"), {"pidfd"}, "hello"),
    "no alarm on the CPU clock": (("timer_create",), set(), "hello"),
    "no way to give privileges up": (("capset",), {"workers: capabilities"}, "hello"),
    "nothing of all that": (
        ("landlock_create_ruleset", "seccomp", "pidfd_open", "pidfd_send_signal", "timer_create", "capset", "prctl"),
        {"workers: landlock", "workers: seccomp", "workers: capabilities", "workers: parent death",
         "workers: no new privs", "workers: undumpable", "pidfd"}, "approval_unavailable",
    ),
}  # fmt: skip


def poor(code, *arguments, cwd):
    program = f"import sys; sys.path[:0] = {ROOTS!r}\n{POOR}\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=100, check=False, cwd=cwd
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def findings(cwd, *calls):
    return {f["feature"]: f for f in poor(DOCTOR, ",".join(calls), cwd=cwd)}


def test_on_a_machine_that_has_everything_workers_lack_nothing(tmp_path):
    found = findings(tmp_path)

    assert found["workers"]["consequence"] == "scripts run in processes of their own (quickjs-ng), fully confined"
    lacking = {name for name, finding in found.items() if name.startswith("workers") and not finding["available"]}
    assert lacking <= {"workers: webassembly"}


@pytest.mark.parametrize("machine", LACKING)
def test_what_a_machine_lacks_is_said_feature_by_feature_and_scripts_run_there_all_the_same(tmp_path, machine):
    calls, missing, command = LACKING[machine]
    (tmp_path / "a.txt").write_text("hello\n")
    found = findings(tmp_path, *calls)
    told = poor(RUNS, ",".join(calls), str(tmp_path), cwd=tmp_path)

    said = {name for name, finding in found.items() if not finding["available"]}
    workers = {name for name in said if name.startswith("workers: ")} - {"workers: webassembly"}
    assert workers == {name for name in missing if name.startswith("workers")}
    assert missing <= said
    assert found["workers"]["available"]
    for name in workers:
        assert name.removeprefix("workers: ").replace(" ", "_") in found["workers"]["consequence"]
        assert found[name]["consequence"]
    assert (told[:4], told[5]) == ([42, "hello\n", "guest_time_limit", "hello\n"], 1)
    assert told[4] == "approval_unavailable" or (command == "hello" and told[4] == "hello\n"), (
        "a command that nothing confines, and that is not known to be safe, asks"
    )


def test_an_engine_that_is_not_there_is_a_finding_with_its_remedy(tmp_path, monkeypatch):
    config = tmp_path / "config" / "toolscript"
    config.mkdir(parents=True)
    (config / "toolscript.toml").write_text('[workers]\nengine = "v8"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    assert findings(tmp_path)["workers"] == {
        "feature": "workers", "available": False,
        "consequence": "scripts cannot run: there is no engine 'v8'; install the package that brings it",
    }  # fmt: skip


def test_a_server_that_does_not_start_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "toolscript").mkdir(parents=True)
    (tmp_path / "config" / "toolscript" / "toolscript.toml").write_text('[mcp.git]\ncommand = ["no-such-program"]\n')

    assert findings(tmp_path)["MCP server git"] == {
        "feature": "MCP server git", "available": False,
        "consequence": "failed (there is no program 'no-such-program')",
    }  # fmt: skip


def test_a_configuration_that_cannot_be_read_is_a_finding_and_not_the_end(tmp_path, monkeypatch):
    config = tmp_path / "config" / "toolscript"
    config.mkdir(parents=True)
    (config / "toolscript.toml").write_text("[workers]\nmin_size = 99\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    found = findings(tmp_path)

    assert not found["configuration"]["available"]
    assert "toolscript.toml:1: workers" in found["configuration"]["consequence"]
    assert found["landlock"]["available"]
