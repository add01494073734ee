"""``toolscript run`` as a shell sees it: stdout, stderr, exit codes, the terminal and Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-c", "from toolscript_extension.cli import main; main()"]


def environment() -> dict[str, str]:
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("harness", "tools", "kernel", "extension"))
    return os.environ | {"PYTHONPATH": paths, "COLUMNS": "120"}


def toolscript(workspace: Path, *arguments: str, script: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command without a controlling terminal, so that nobody can be asked."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=workspace, env=environment(), input=script or "", capture_output=True, text=True,
        start_new_session=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_result_goes_to_stdout_and_all_else_to_stderr(tmp_path):
    done = toolscript(tmp_path, "run", "-", "--param", "n=41", script="console.log('seen'); return params.n + 1")

    assert (done.returncode, done.stdout) == (0, "42\n")
    assert "seen" in done.stderr


def test_json_prints_exactly_one_object_with_everything(tmp_path):
    done = toolscript(tmp_path, "run", "-", "--json", script="console.log('x'); return (await listDir('.')).length")
    told = json.loads(done.stdout)

    assert {"status", "result", "logs", "operations", "error", "durations", "script_hash"} <= told.keys()
    assert (told["status"], told["result"], told["error"]) == ("completed", 0, None)
    assert [log["text"] for log in told["logs"]] == ["x"]
    assert [o["tool"] for o in told["operations"]] == ["listDir"]


def test_events_are_json_lines_in_order(tmp_path):
    done = toolscript(tmp_path, "run", "-", "--events", script="return 1")
    events = [json.loads(line) for line in done.stdout.splitlines()]

    assert [e["type"] for e in events] == ["script_execution", "script_started", "script_execution_output"]
    assert [e["seq"] for e in events] == sorted(e["seq"] for e in events)


@pytest.mark.parametrize(
    ("arguments", "script", "code", "says"),
    [
        (["-"], "return 1", 0, ""),
        (["-"], "\nthrow new Error('boom')", 1, "line 2"),
        (["-"], "const a = ;", 1, "syntax_error"),
        (["-"], "enum A { B }", 1, "unsupported_typescript"),
        (["-"], "await tools.nope({})", 1, "unknown_tool"),
        (["missing.ts"], "", 2, "missing.ts"),
        (["-", "--param", "x"], "", 2, "KEY=JSON"),
        (["-", "--param", "x=y"], "", 2, "is not JSON"),
        (["-", "--param", "x=1", "--param", "x=2"], "", 2, "given twice"),
        (["-", "--param", "=1"], "", 2, "KEY=JSON"),
        (["-", "--param", "x=NaN"], "", 2, "NaN is no number"),
        (["-", "--param", "x=1e400"], "", 2, "1e400 is no number"),
        (["-", "--param", "x=" + "[" * 600 + "]" * 600], "", 2, "too deeply"),
        (["-", "--param", "x=" + "[" * 5000 + "]" * 5000], "", 2, "too deeply"),
        (["-", "--param", 'x="\\ud800"'], "return params.x", 0, ""),
        (["-", "--limit", "calls=many"], "return 1", 2, "'many' is not a number"),
        (["-", "--limits", "calls=4,speed=1"], "return 1", 2, "no limit 'speed'"),
        (["-", "--limit", "calls=nan"], "return 1", 2, "'nan' is not a number"),
        (["-", "--limit", "calls=²"], "return 1", 2, "is not a number"),
        (["-", "--limit", "calls=0"], "return 1", 2, "greater than zero"),
        (["/"], "", 2, "Is a directory"),
        ([""], "", 2, "is empty"),
        (["/dev/zero"], "", 4, "source size limit of 20 KB"),
        (["-"], "", 1, "the script is empty"),
        (["-", "--limit", "calls=99"], "return 1", 2, "lowered, not raised"),
        (["-", "--limit", "speed=1"], "return 1", 2, "no limit 'speed'"),
        (["-", "--workspace", "nowhere"], "return 1", 2, "not a directory"),
        (["-", "--json", "--events"], "return 1", 2, "choose one"),
        (["-"], "await shell('rm -f x')", 3, "approval_unavailable"),
        (["-", "--limit", "guest_seconds=0.2"], "for(;;){}", 4, "guest_time_limit"),
        (["-"], "x".ljust(20 * 1024 + 1), 4, "source_limit"),
        (["-"], "await tools.readFile({path: 'nope'})", 1, "not_found"),
    ],
)
def test_each_ending_has_its_exit_code_and_one_clear_message(tmp_path, arguments, script, code, says):
    done = toolscript(tmp_path, "run", *arguments, script=script)

    assert done.returncode == code, done.stderr
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_call_whose_failure_ends_the_run_is_explained_once_and_its_place_is_told(tmp_path):
    script = "await tools.readFile({path: 'a'}).catch(() => 1);\nawait tools.readFile({path: 'nope'})"
    done = toolscript(tmp_path, "run", "-", script=script)
    thrown = toolscript(tmp_path, "run", "-", script="await tools.readFile({path: 'nope'}).catch(() => 1); throw 'own'")

    assert done.stderr.count("nope") == 2, done.stderr  # its arguments, and what went wrong
    assert "not_found at line 2, column 13, in readFile above" in done.stderr
    assert "own" in thrown.stderr and "above" not in thrown.stderr


def test_json_stays_one_object_when_the_script_fails(tmp_path):
    done = toolscript(tmp_path, "run", "-", "--json", script="\n throw new Error('boom')")
    told = json.loads(done.stdout)

    assert (done.returncode, told["status"]) == (1, "failed")
    assert (told["error"]["line"], told["error"]["code"]) == (2, "script_threw")


def test_the_facade_is_printed_as_declarations_as_json_and_as_openapi(tmp_path):
    declared = toolscript(tmp_path, "tools", "--dts")
    described = json.loads(toolscript(tmp_path, "tools", "--json").stdout)

    described_for_rest = json.loads(toolscript(tmp_path, "tools", "--openapi").stdout)
    both = toolscript(tmp_path, "tools", "--openapi", "--json")

    assert "declare const tools" in declared.stdout
    assert both.returncode == 2
    assert set(described_for_rest["paths"]) == {f"/tools/{tool['name']}" for tool in described}
    assert {"exec", "readFile", "applyPatch"} <= {tool["name"] for tool in described}
    assert all(tool["input_schema"] and tool["output_schema"] for tool in described)


def test_the_tools_of_servers_are_listed_once_their_file_is_trusted(tmp_path):
    server = {"command": sys.executable, "args": [str(ROOT / "tests" / "mcp_servers" / "proper.py")]}
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"proper": server}}))
    before = toolscript(tmp_path, "tools", "--json")
    toolscript(tmp_path, "trust", ".mcp.json")
    after = toolscript(tmp_path, "tools", "--json")

    assert "is not trusted" in before.stderr
    assert not [t for t in json.loads(before.stdout) if t["name"].startswith("mcp.")]
    assert "mcp.proper.weather" in [t["name"] for t in json.loads(after.stdout)]


def test_a_server_that_cannot_start_is_told_of_and_its_tools_reject_with_the_reason(tmp_path):
    (tmp_path / "toolscript.toml").write_text(
        '[mcp.git]\ncommand = ["no-such-program"]\n[mcp.bad]\ncommand = ["sh", "-c", "echo broken >&2"]\n'
    )
    toolscript(tmp_path, "trust", "toolscript.toml")
    script = "try { await tools.mcp.git.git_status({}) } catch (e) { return [e.code, e.message, e.details.server] }"
    for done in (toolscript(tmp_path, "run", "-", script=script), toolscript(tmp_path, "tools", "--json")):
        assert done.returncode == 0
        told = [line for line in done.stderr.splitlines() if line.startswith("MCP server ")]
        assert told[0] == "MCP server 'git' did not start: there is no program 'no-such-program'"
        assert told[1].startswith("MCP server 'bad' did not start: ") and told[1].endswith("; it said: broken")
        assert len(told) == 2
    caught = json.loads(toolscript(tmp_path, "run", "-", script=script).stdout)
    assert caught == [
        "mcp_not_started", "MCP server 'git' did not start: there is no program 'no-such-program'", "git",
    ]  # fmt: skip
    unknown = toolscript(tmp_path, "run", "-", script="await tools.mcp.other.x({})")
    assert "unknown_tool" in unknown.stderr


def test_a_recorded_run_replays_from_the_shell(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    ran = toolscript(tmp_path, "run", "-", script="console.log('log'); return readFile('a.txt')")
    (tmp_path / "a.txt").write_text("two")
    (journal,) = Path(os.environ["XDG_STATE_HOME"]).glob("toolscript/*/runs/*.jsonl")
    replayed = toolscript(tmp_path, "replay", str(journal))
    audited = toolscript(tmp_path, "audit", str(journal))

    assert (replayed.returncode, replayed.stdout) == (0, ran.stdout)
    assert "#1 readFile: succeeded" in audited.stdout


def test_ctrl_c_ends_the_run_its_command_and_all_it_started(tmp_path):
    script = "console.log('up'); await shell('sleep 4711 & sleep 4711')"
    process = subprocess.Popen(
        [*COMMAND, "run", "-", "--events"], cwd=tmp_path, env=environment(), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, start_new_session=True, text=True,
    )  # fmt: skip
    process.stdin.write(script)
    process.stdin.close()
    wait_until(lambda: len(sleepers(tmp_path)) >= 2)
    process.send_signal(signal.SIGINT)
    ending = [json.loads(line) for line in process.stdout][-1]
    process.stdout.close()

    assert process.wait(30) == 130
    assert (ending["type"], ending["status"]) == ("script_execution_output", "aborted")
    wait_until(lambda: sleepers(tmp_path) == [])


def sleepers(workspace: Path) -> list[int]:
    """Return the processes that run ``sleep 4711`` in the workspace."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"sleep\x004711" in (entry / "cmdline").read_bytes() and os.readlink(entry / "cwd") == str(workspace):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_until(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(("key", "code", "left"), [("y\n", 0, False), ("n\n\n", 3, True)])
def test_consent_is_asked_on_the_terminal_and_never_on_stdin_or_stdout(tmp_path, key, code, left):
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "a.ts").write_text("return (await shell('rm -f x.txt')).exitCode")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        with open(tmp_path / "out", "w") as out:
            os.dup2(out.fileno(), 1)
        os.execve(sys.executable, [*COMMAND, "run", "a.ts"], environment())
    asked = read_until(terminal, b"iew all: ")
    os.write(terminal, key.encode())
    drain(terminal)
    _, status = os.waitpid(pid, 0)

    assert b"rm -f x.txt" in asked
    assert os.waitstatus_to_exitcode(status) == code
    assert (tmp_path / "x.txt").exists() is left
    assert (tmp_path / "out").read_text() == ("0\n" if code == 0 else "")


PLANNED = """
await writeFile('a.txt', 'a\\n');
await writeFile('b.txt', 'b\\n').catch(() => 1);
return (await shell('touch c.txt')).exitCode"""


def test_a_dry_run_prints_the_table_of_effects_and_does_nothing(tmp_path):
    (tmp_path / "a.txt").write_text("old\n")
    done = toolscript(tmp_path, "run", "-", "--dry-run", script=PLANNED)
    told = json.loads(toolscript(tmp_path, "run", "-", "--dry-run", "--json", script=PLANNED).stdout)

    assert done.returncode == 0
    assert "plan: 3 effects (complete); nothing is done yet" in done.stdout
    assert done.stderr.count("planned, not done") == 3 and "planned only: nothing of this was done" in done.stderr
    assert "run r-" not in done.stderr
    assert "#3 shell run touch c.txt " in done.stdout
    assert told["planned"] is True and {row["status"] for row in told["rows"]} == {"planned"}
    for part in ("#1 writeFile", "-old", "+a", "#3 shell", "touch c.txt", "line 2"):
        assert part in done.stdout
    assert [(r["number"], r["tool"], r["effect"]) for r in told["rows"]] == [
        (1, "writeFile", "write"), (2, "writeFile", "write"), (3, "shell", "execute"),
    ]  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old\n"


def test_a_dry_run_of_a_script_that_fails_fails(tmp_path):
    done = toolscript(tmp_path, "run", "-", "--dry-run", script="throw new Error('no')")

    assert done.returncode == 1 and "no" in done.stderr


@pytest.mark.parametrize(
    ("key", "code", "there"),
    [
        ("a\n", 0, ["a.txt", "b.txt", "c.txt"]),
        ("1 3\n", 0, ["a.txt", "c.txt"]),
        ("what\nn\n", 3, []),
        ("9\nn\n", 3, []),
    ],
)
def test_a_plan_is_chosen_from_on_the_terminal_before_anything_happens(tmp_path, key, code, there):
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "a.ts").write_text(PLANNED)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(work)
        with open(tmp_path / "out", "w") as out:
            os.dup2(out.fileno(), 1)
        os.execve(sys.executable, [*COMMAND, "run", "../a.ts", "--plan"], environment())
    shown = read_until(terminal, b"ne: ", b"plan: 3 effects")
    assert list(work.iterdir()) == []
    for line in key.splitlines(keepends=True):
        os.write(terminal, line.encode())
        if line.strip() in ("what", "9"):
            read_until(terminal, b"ne: ", b"")
    drain(terminal)
    _, status = os.waitpid(pid, 0)

    assert b"touch c.txt" in shown
    assert os.waitstatus_to_exitcode(status) == code
    assert sorted(p.name for p in work.iterdir()) == there
    assert (tmp_path / "out").read_text() == ("0\n" if code == 0 else "")


@pytest.mark.parametrize("stop", [b"\x03", signal.SIGTERM])
def test_a_command_that_asks_what_of_a_plan_may_happen_can_be_stopped(tmp_path, stop):
    (tmp_path / "a.ts").write_text(PLANNED)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve(sys.executable, [*COMMAND, "run", "a.ts", "--plan"], environment())
    read_until(terminal, b"ne: ", b"plan: 3 effects")
    if isinstance(stop, bytes):
        os.write(terminal, stop)
    else:
        os.kill(pid, stop)
    try:
        wait_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None, 20)
    finally:
        os.write(terminal, b"n\n")
        drain(terminal)
        _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 130
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ts"]


def test_a_plan_needs_a_terminal(tmp_path):
    done = toolscript(tmp_path, "run", "-", "--plan", script=PLANNED)

    assert done.returncode == 3 and "--dry-run only shows" in done.stderr
    assert "writeFile" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def read_until(terminal: int, mark: bytes, and_: bytes = b"rm -f") -> bytes:
    seen = b""
    end = time.monotonic() + 30
    while not (and_ in seen and mark in seen):
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 4096)
    return seen


def drain(terminal: int) -> None:
    while True:
        try:
            if not os.read(terminal, 4096):
                return
        except OSError:
            return
