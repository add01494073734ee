"""``toolscript resume`` and ``toolscript replay`` as a shell sees them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.extension.cli.test_run import COMMAND, drain, environment, read_until, toolscript, wait_until

from toolscript.journal.state import run_files, state_dir
from toolscript.recovery.notebook import saved


def killed_when_reached(command: list[str], workspace: Path) -> None:
    """Run a host until something that it runs writes to the FIFO, and kill it then."""
    fifo = workspace / "fifo"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        command, cwd=workspace, env=environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    with fifo.open() as reached:
        assert reached.readline() == "reached\n"
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    fifo.unlink()


def killed(workspace: Path, script: str) -> str:
    """Run a script until its command opens the FIFO, kill its host then, and return the run's id."""
    (workspace / "script.ts").write_text(script)
    killed_when_reached([*COMMAND, "run", "script.ts"], workspace)
    (found,) = run_files(state_dir(workspace))
    return found.run_id


HELD = "await writeFile('a.txt', 'a'); await shell('echo once >> effects; echo reached > fifo; sleep 60'); return 1"


def test_an_interrupted_run_is_listed_and_resumed_with_an_answer(workspace):
    run_id = killed(workspace, HELD)

    listed = toolscript(workspace, "resume")
    nobody = toolscript(workspace, "resume", run_id)
    bad = toolscript(workspace, "resume", run_id, "--outcome", "x")
    done = toolscript(workspace, "resume", run_id, "--outcome", "2=fail", "--json")
    again = toolscript(workspace, "resume", run_id)

    assert run_id in listed.stdout and "writeFile" in listed.stdout
    assert nobody.returncode == 3 and "--outcome 2=again" in nobody.stderr
    assert bad.returncode == 2
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["error"]["code"] == "outcome_unknown"
    assert [o["status"] for o in told["operations"]] == ["succeeded", "failed"]
    assert (workspace / "effects").read_text() == "once\n"
    assert again.returncode == 1 and "ended" in again.stderr
    assert "No run and no turn was interrupted" in toolscript(workspace, "resume").stdout
    assert toolscript(workspace, "replay", run_id).returncode == 0


TURN = """
import anyio
from toolscript.harness import Harness

async def main():
    async with Harness(".", agent="tape") as harness:
        await harness.turn("count \\x1b[31m please")

anyio.run(main)
"""


def killed_turn(workspace: Path, *steps: str) -> None:
    """Let a recorded agent take a turn until its command opens the FIFO, and kill its host then."""
    home = workspace.parent / "config" / "toolscript"
    home.mkdir(parents=True)
    (home / "toolscript.toml").write_text('[agents.tape]\nprovider = "recorded"\nrecordings = ["talk.json"]\n')
    talk = {"recordings": [{"prompt": "count \x1b[31m please", "steps": steps}]}
    (home / "talk.json").write_text(json.dumps(talk))
    killed_when_reached([*COMMAND[:2], TURN], workspace)


def test_an_interrupted_turn_is_listed_and_resumed_after_its_run(workspace, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(workspace.parent / "config"))
    killed_turn(workspace, f"<tool-calls>\n{HELD}\n</tool-calls>\n", "It is once.")

    first, second = (line.split() for line in toolscript(workspace, "resume").stdout.splitlines())
    conversation, run_id = first[0], second[0]
    nobody = toolscript(workspace, "resume", conversation)
    ahead = toolscript(workspace, "resume", conversation, "--outcome", "2=fail")
    run = toolscript(workspace, "resume", run_id, "--outcome", "2=fail")
    done = toolscript(workspace, "resume", conversation)
    again = toolscript(workspace, "resume", conversation)

    assert first[3:] == ["turn", "of", "tape:", "count", "\\x1b[31m", "please"]
    assert nobody.returncode == 3 and f"its run {run_id} must go on first" in " ".join(nobody.stderr.split())
    assert ahead.returncode == 2 and "the runs of" in ahead.stderr
    assert run.returncode == 1
    assert (done.returncode, done.stdout) == (0, "It is once.\n"), done.stderr
    assert again.returncode == 1
    assert (workspace / "effects").read_text() == "once\n"
    assert "no turn was interrupted" in toolscript(workspace, "resume").stdout


def test_resume_and_live_replay_say_what_a_workspace_file_wants_in_vain(workspace):
    path = recorded(workspace, "return 1")
    (workspace / "toolscript.toml").write_text('[[rules]]\ntool = "exec"\nverdict = "allow"\n')

    live = toolscript(workspace, "replay", str(path), "--live")
    kept = toolscript(workspace, "replay", str(path))
    resumed = toolscript(workspace, "resume", path.stem)

    assert "not trusted" in live.stderr and "not trusted" in resumed.stderr
    assert "not trusted" not in kept.stderr, "what touches no tool needs no rules"


def recorded(workspace: Path, script: str) -> Path:
    assert toolscript(workspace, "run", "-", script=script).returncode == 0
    (found,) = run_files(state_dir(workspace))
    return found.path


def test_a_live_replay_shows_what_changed(workspace):
    (workspace / "a.txt").write_text("one")
    path = recorded(workspace, "console.log('x'); return readFile('a.txt')")

    same = toolscript(workspace, "replay", str(path), "--live")
    (workspace / "a.txt").write_text("two")
    changed = toolscript(workspace, "replay", str(path), "--live")

    assert (same.returncode, changed.returncode) == (0, 1)
    assert f"\nrun {run_files(state_dir(workspace))[-1].run_id}\nran for real: 2 changed\n" in f"\n{changed.stderr}"
    assert '- completed: "one"' in changed.stderr and '+ completed: "two"' in changed.stderr


def notebook(workspace: Path, **facts: object) -> None:
    output = {"metadata": {"application/vnd.toolscript.run+json": facts}}
    (workspace / "n.ipynb").write_text(json.dumps({"cells": [{"outputs": [output]}]}))


def test_a_notebook_that_holds_the_tape_replays_without_the_journal(workspace):
    path = recorded(workspace, "console.log('said'); await writeFile('a.txt', 'a'); return 7")
    notebook(workspace, scripts=[{"runId": path.stem, "tape": saved(path)}])
    path.unlink()
    (workspace / "a.txt").unlink()

    done = toolscript(workspace, "replay", "n.ipynb")

    assert (done.returncode, done.stdout) == (0, "7\n")
    assert done.stderr == "cell 1: script, 1 run\nsaid\nreplayed: the same\n"
    assert not (workspace / "a.txt").exists()


def test_an_audit_of_a_notebook_tells_of_each_run_whose_journal_is_here(workspace):
    path = recorded(workspace, "await writeFile('a.txt', 'a'); return 7")
    notebook(workspace, scripts=[{"runId": path.stem, "tape": saved(path)}])

    done, as_json = (toolscript(workspace, "audit", "n.ipynb", *options) for options in ([], ["--json"]))
    path.unlink()
    gone = toolscript(workspace, "audit", "n.ipynb")

    assert (done.returncode, done.stderr) == (0, f"cell 1: {path.stem}\n")
    assert [line.split(":")[0] for line in done.stdout.splitlines()][:2] == [f"run {path.stem}", "#1 writeFile"]
    assert [json.loads(line)["kind"] for line in as_json.stdout.splitlines()] == ["script", "call", "end"]
    assert (gone.returncode, gone.stdout) == (1, "")
    assert f"the journal of {path.stem} is not in this workspace" in gone.stderr


def test_a_notebook_without_the_tape_needs_the_journal_and_says_so(workspace):
    path = recorded(workspace, "return 7")
    notebook(workspace, scripts=[{"runId": path.stem}, {"runId": "../../etc/passwd"}])
    (workspace / "empty.ipynb").write_text(json.dumps({"cells": []}))

    done = toolscript(workspace, "replay", "n.ipynb")

    assert done.returncode == 2 and "does not hold all of ../../etc/passwd" in done.stderr
    notebook(workspace, scripts=[{"runId": path.stem}])
    assert toolscript(workspace, "replay", "n.ipynb").stdout == "7\n"
    assert "names no recorded run" in toolscript(workspace, "replay", "empty.ipynb").stderr


def test_an_undo_from_a_shell_restores_names_what_it_cannot_and_tells_of_a_second_one(workspace):
    (workspace / "a.txt").write_text("old")
    path = recorded(workspace, "await writeFile('a.txt', 'new'); await shell('echo x > b.txt'); return 1")

    listed = toolscript(workspace, "undo")
    done = toolscript(workspace, "undo", path.stem)
    again = toolscript(workspace, "undo", path.stem)

    assert path.stem in listed.stdout and "writeFile" in listed.stdout
    assert "take one back with: toolscript undo RUN\n" in listed.stdout
    assert (done.returncode, (workspace / "a.txt").read_text()) == (0, "old")
    assert "restored a.txt" in done.stderr and "Runs that changed files" in listed.stdout
    assert 'not undone: shell {"command":"echo x > b.txt"}' in done.stderr
    assert again.returncode == 1 and "was undone already, by r-" in again.stderr
    assert f"undone by {again.stderr.rpartition('undo that: ')[2].strip()}" in toolscript(workspace, "undo").stdout


def test_runs_to_undo_or_resume_are_told_with_the_time_and_in_the_order_of_their_beginning(workspace):
    first = recorded(workspace, "await writeFile('a.txt', '1')")
    assert toolscript(workspace, "run", "-", script="await writeFile('a.txt', '2')").returncode == 0
    (second,) = (file.path for file in run_files(state_dir(workspace)) if file.path != first)
    os.utime(first)  # as a resume or a copy does
    os.utime(second, (0, 0))

    _, *listed = (line.split() for line in toolscript(workspace, "undo").stdout.splitlines())

    assert [line[0] for line in listed] == [first.stem, second.stem]
    began = [json.loads(path.read_text().splitlines()[0])["time_ms"] / 1000 for path in (first, second)]
    times = [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) for at in began]
    assert [" ".join(line[1:3]) for line in listed] == times

    for path in (first, second):  # as if their hosts had died before the end
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    os.utime(second, (0, 0))
    cut = [line.split()[:3] for line in toolscript(workspace, "resume").stdout.splitlines()]
    assert cut == [[path.stem, *at.split()] for path, at in zip((first, second), times, strict=True)]


def test_an_undo_of_a_new_file_says_that_it_was_removed_and_of_a_run_without_changes_records_nothing(workspace):
    made = recorded(workspace, "await writeFile('new.txt', 'x')").stem
    assert "removed new.txt" in toolscript(workspace, "undo", made).stderr
    assert toolscript(workspace, "run", "-", script="return 1").returncode == 0
    before = run_files(state_dir(workspace))
    quiet = before[-1].run_id

    done = toolscript(workspace, "undo", quiet)
    listed = toolscript(workspace, "undo").stdout

    assert (done.returncode, done.stderr) == (0, f"There is nothing to take back: {quiet} changed no file.\n")
    assert made in listed and quiet not in listed
    assert run_files(state_dir(workspace)) == before


def test_an_undo_from_a_shell_asks_for_a_choice_where_a_file_changed_since(workspace):
    (workspace / "a.txt").write_text("old")
    path = recorded(workspace, "await writeFile('a.txt', 'new'); return 1")
    (workspace / "a.txt").write_text("mine")

    refused = toolscript(workspace, "undo", path.stem)
    bad = toolscript(workspace, "undo", path.stem, "--pick", "a.txt=burn")
    kept = (workspace / "a.txt").read_text()
    chosen = toolscript(workspace, "undo", path.stem, "--pick", "a.txt=restore", "--json")

    assert refused.returncode == 1 and "choose keep, restore or merge" in refused.stderr
    assert f"{workspace}/a.txt changed since (before: file " in refused.stderr
    assert bad.returncode == 2 and kept == "mine"
    assert json.loads(chosen.stdout)["result"]["restored"] == [f"{workspace}/a.txt"]
    assert (workspace / "a.txt").read_text() == "old"


def test_ctrl_c_at_the_choice_of_an_undo_ends_it_and_touches_nothing(workspace):
    path = recorded(workspace, "await writeFile('a.txt', 'new'); return 1")
    (workspace / "a.txt").write_text("mine")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(workspace)
        os.execve(sys.executable, [*COMMAND, "undo", path.stem], environment())
    read_until(terminal, b"restore/merge", b"changed since")
    os.write(terminal, b"\x03")
    try:
        wait_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None, 20)
    finally:
        os.write(terminal, b"keep\n")
        drain(terminal)
        _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 130
    assert (workspace / "a.txt").read_text() == "mine"


def test_an_audit_tells_each_call_with_its_arguments_and_times(workspace):
    path = recorded(workspace, "await shell('exit 3'); await readFile('none').catch(() => 0); return 1")

    told = toolscript(workspace, "audit", path.stem).stdout.splitlines()
    as_json = [json.loads(line) for line in toolscript(workspace, "audit", str(path), "--json").stdout.splitlines()]

    assert " · exit 3 · line 1 · {" in told[1] and '"exit 3"' in told[1]
    assert "readFile: failed" in told[2] and "not_found: " in told[2]
    assert [entry["kind"] for entry in as_json] == ["script", "call", "call", "end"]
    assert as_json[1]["exit_code"] == 3 and as_json[1]["began_ms"] > 1_600_000_000_000
