"""Standard streams that are closed, full, left by their reader, or too narrow for what is written."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from tests.extension.cli.test_run import COMMAND, environment, toolscript

PROGRAM = shlex.join(COMMAND)


def shell(workspace: Path, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``toolscript`` is the command."""
    return subprocess.run(
        ["bash", "-c", f'toolscript() {{ {PROGRAM} "$@"; }}; {line}'], cwd=workspace,
        env=environment() | variables, capture_output=True, text=True, check=False, start_new_session=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "a.ts").write_text("await writeFile('done', ''); return 42")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "code", "stdout", "stderr"),
    [
        ("toolscript run - <&-", 2, "", "it is closed"),
        ("toolscript run a.ts <&-", 0, "42\n", "run r-"),
        ("toolscript run a.ts >&-", 0, "", "run r-"),
        ("toolscript run a.ts 2>&-", 0, "42\n", ""),
        ("toolscript run a.ts <&- >&- 2>&-", 0, "", ""),
        ("toolscript run a.ts > /dev/full", 1, "", "cannot write to standard output: No space left on device"),
        ("toolscript tools | head -1; exit ${PIPESTATUS[0]}", 0, "interface", ""),
        ("toolscript run <(echo return 5)", 0, "5\n", "run r-"),
    ],
)
def test_a_stream_that_is_missing_or_full_is_no_stack_trace(script, line, code, stdout, stderr):
    done = shell(script, line)

    assert done.returncode == code, done.stderr
    assert done.stdout.startswith(stdout) and bool(done.stdout) == bool(stdout)
    assert stderr in done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.mark.parametrize("options", ["--events", "--events 2>&1", "2>&1 >/dev/null"])
def test_a_reader_that_leaves_does_not_end_what_a_script_does(script, options):
    (script / "a.ts").write_text("for (let i = 0; i < 20; i++) console.log(i, await readFile('a.ts'));"
                                 "await writeFile('done', ''); return 1")  # fmt: skip

    done = shell(script, f"toolscript run a.ts {options} | head -c 1; exit ${{PIPESTATUS[0]}}")

    assert done.returncode == 0, done.stderr
    assert (script / "done").exists()


def test_what_an_encoding_lacks_is_escaped_as_json_does(tmp_path):
    done = shell(tmp_path, "toolscript run - <<< \"console.log('✓'); return 'é😀'\"", PYTHONIOENCODING="ascii")

    assert (done.returncode, json.loads(done.stdout)) == (0, "é😀")
    assert done.stdout.isascii() and "\\u2713" in done.stderr


def test_a_file_that_is_not_utf8_is_named_with_the_byte(tmp_path):
    (tmp_path / "a.ts").write_bytes(b"return '\xff'")

    done = toolscript(tmp_path, "run", "a.ts")

    assert (done.returncode, done.stderr) == (2, "toolscript: a.ts is not UTF-8: byte 9 cannot be read\n")


@pytest.mark.parametrize("state", ["/proc/nope", "/dev/null"])
def test_a_state_directory_that_cannot_be_is_told_in_one_line(script, state):
    done = shell(script, "toolscript run a.ts", XDG_STATE_HOME=state)

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "set XDG_STATE_HOME" in done.stderr


def test_no_line_is_broken_and_no_colour_sent_where_no_terminal_is(tmp_path):
    text = "x " * 200
    done = shell(tmp_path, f"toolscript run - <<< \"console.log('{text}'); throw new Error('{text}')\"", COLUMNS="40")

    assert text.strip() in done.stderr.splitlines()[0]
    assert f"Error: {text}".strip() in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


def test_a_workspace_file_without_trust_is_told_once_with_the_command_that_trusts_it(script):
    (script / "toolscript.toml").write_text('[agents.openai]\nbase_url = "http://example.invalid"\n')

    for options in ([], ["--json"], ["--events"]):
        done = toolscript(script, "run", "a.ts", *options)
        assert done.returncode == 0
        assert done.stderr.count("is not trusted") == 1
        assert f"toolscript trust {script / 'toolscript.toml'}" in done.stderr

    trusted = toolscript(script, "trust", "toolscript.toml")
    assert trusted.returncode == 0, trusted.stderr
    assert "not trusted" not in toolscript(script, "run", "a.ts").stderr
    os.unlink(script / "toolscript.toml")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_task_that_outlives_its_script_is_told(tmp_path, options):
    done = toolscript(tmp_path, "run", "-", *options, script="tools.spawn.exec({command: ['sleep', '30']}); return 1")

    assert done.returncode == 0, done.stderr
    assert "still runs and ends with this command: exec" in done.stderr
    assert "cancelled after" in done.stderr


def test_the_configured_policy_holds_unless_another_is_named(script, monkeypatch):
    home = script / "config" / "toolscript"
    home.mkdir(parents=True)
    (home / "toolscript.toml").write_text('[agents.recorded]\npolicy = "always-ask"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(script / "config"))

    configured = toolscript(script, "run", "a.ts")
    named = toolscript(script, "run", "a.ts", "--policy", "on-request")

    assert (configured.returncode, named.returncode) == (3, 0), configured.stderr


@pytest.mark.parametrize("command", ["doctor", "agents", "approvals", "resume"])
def test_a_list_in_a_file_is_plain_text_with_a_whole_line_each(tmp_path, command):
    done = shell(tmp_path, f"toolscript {command}", COLUMNS="40")

    assert done.returncode == 0, done.stderr
    assert "[/" not in done.stdout and "\x1b" not in done.stdout
    assert not any(line.startswith("        ") for line in done.stdout.splitlines()[1:])


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_a_terminal_that_wants_no_colour_gets_none(tmp_path, variables):
    typed = "script -qec 'toolscript doctor' /dev/null"
    done = shell(tmp_path, f"export -f toolscript; {typed}", SHELL="/bin/bash", COLUMNS="40", **variables)

    assert "✓" in done.stdout, done.stderr
    assert "\x1b[3" not in done.stdout


def test_an_answer_where_nothing_runs_is_one_sentence_and_a_usage_error(tmp_path):
    listed, answered = toolscript(tmp_path, "approvals"), toolscript(tmp_path, "approvals", "ID", "--allow")

    assert (listed.returncode, answered.returncode) == (0, 2)
    assert listed.stdout == answered.stderr == "Nothing waits for consent: no process runs scripts in this workspace.\n"
