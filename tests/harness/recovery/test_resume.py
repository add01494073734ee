"""Resume: a host is killed at its records and between effect and record, and another process goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from toolscript.confine import processes
from toolscript.errors import ToolscriptError
from toolscript.harness import Harness
from toolscript.journal.reader import records
from toolscript.journal.records import BeginRecord, CallRecord, EndRecord, RunEndRecord, RunRecord, StartedRecord
from toolscript.journal.state import interrupted, run_files, state_dir
from toolscript.journal.writer import DiskJournal
from toolscript.recovery.leftovers import end_leftovers
from toolscript.recovery.replay import replay
from toolscript.recovery.tape import Tape
from toolscript.runtime.pool import Pool

HOST = Path(__file__).with_name("host.py")
ROOT = Path(__file__).parents[3]
FULL = bool(os.environ.get("TOOLSCRIPT_FULL"))
"""Every record is tried then, not only some."""

SCRIPT = """
const outcome = async (name: string, p: Promise<unknown>) => p.then((v) => [name, 'ok'], (e) => [name, e.name]);
console.log('began', Math.random());
await writeFile('a.txt', 'a1\\n');
const first = await Promise.all([
  outcome('cmd', shell('echo cmd >> effects')),
  outcome('send', tools.send('send')),
  outcome('patch', applyPatch(`*** Begin Patch
*** Update File: n.txt
@@
-n=1
+n=2
*** Update File: m.txt
*** Move to: moved.txt
@@
-m=1
+m=2
*** End Patch`)),
  outcome('look', tools.look('look')),
  sleep(30).then(() => ['timer', 'ok']),
]);
console.log('middle', Date.now() > 0);
const task = tools.spawn.shell({command: 'echo task >> effects; sleep 0.05'});
const second = await Promise.all([outcome('write', writeFile('new.txt', 'new\\n')), outcome('task', task.done)]);
store.set('seen', first.length);
const third = await outcome('last', tools.exec({command: ['sh', '-c', 'echo last >> effects']}));
return [...first, ...second, third];
"""
NAMES = {"cmd": 2, "send": 3, "patch": 4, "look": 5, "write": 8, "task": 7, "last": 9}
RECORDS = 34


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return workspace


def prepared(workspace: Path, script: str = SCRIPT) -> None:
    (workspace / "script.ts").write_text(script)
    (workspace / "n.txt").write_text("n=1\n")
    (workspace / "m.txt").write_text("m=1\n")


def host(workspace: Path, what: str, stop: str = "-", answer: str = "fail") -> tuple[int, dict[str, Any]]:
    path = os.pathsep.join(str(ROOT / part) for part in ("harness", "tools", "kernel", "extension", "."))
    done = subprocess.run(
        [sys.executable, str(HOST), str(workspace), what, stop, answer],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    if done.returncode == -signal.SIGKILL:
        return done.returncode, {}
    assert done.returncode == 0, done.stderr
    return 0, json.loads(done.stdout)


def journal(workspace: Path) -> Path:
    (found,) = run_files(state_dir(workspace))
    return found.path


def effects(workspace: Path) -> Counter[str]:
    path = workspace / "effects"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def replays(path: Path) -> str:
    async def again() -> str:
        tape = Tape.read(records(path))
        async with Pool(limits=tape.start().limits) as pool:
            return (await replay(tape, pool)).outcome

    return asyncio.run(again())


def checked(workspace: Path, before: set[int], unknown: set[int], run: dict[str, Any]) -> None:
    """What must hold of every resumed run, wherever its host was killed."""
    assert run["status"] == "completed", run["error"]
    result = dict(run["result"])
    count = effects(workspace)
    assert {q["number"] for q in run["asked"] if q["unknown"]} == unknown
    for name in ("cmd", "send", "task", "last"):
        if NAMES[name] in unknown:
            assert result[name] == "OutcomeUnknown"
            assert count[name] <= 1
        else:
            assert (result[name], count[name]) == ("ok", 1), name
    assert [result[n] for n in ("patch", "look", "timer", "write")] == ["ok"] * 4
    contents = {n: (workspace / n).read_text() for n in ("a.txt", "n.txt", "moved.txt", "new.txt")}
    assert contents == {"a.txt": "a1\n", "n.txt": "n=2\n", "moved.txt": "m=2\n", "new.txt": "new\n"}
    assert not (workspace / "m.txt").exists()
    kept = list(records(journal(workspace)))
    for kind in (CallRecord, EndRecord):
        assert set(Counter(r.number for r in kept if isinstance(r, kind)).values()) == {1}
    again = Counter(r.number for r in kept if isinstance(r, BeginRecord))
    assert all(again[number] <= 1 for number in before), "what had ended began again"
    changed = {c["path"] for r in kept if isinstance(r, EndRecord) for c in r.changes}
    assert {Path(p).name for p in changed} >= {"a.txt", "n.txt", "m.txt", "moved.txt", "new.txt"}, "an undo needs them"
    assert isinstance(kept[-1], RunEndRecord)
    assert kept[-1].store == {"seen": "5"}
    assert replays(journal(workspace)) == "same"


POINTS = [f"{place}:{n}" for n in range(2, RECORDS + 1) for place in ("before", "after")]
SOME = [f"before:{n}" for n in (2, 5, 13, 18, 20, 22, 27, 30, 33)] + ["after:4", "after:19", "after:34"]


@pytest.mark.parametrize("stop", POINTS if FULL else SOME)
def test_a_run_killed_at_any_record_goes_on_without_repeating_anything(workspace, stop):
    prepared(workspace)
    code, _done = host(workspace, "run", stop)
    if code == 0 or stop == f"after:{RECORDS}":
        return  # how many records there are depends on who was first
    kept = list(records(journal(workspace)))
    ended = {r.number for r in kept if isinstance(r, EndRecord)}
    began = {r.number: r.effect for r in kept if isinstance(r, BeginRecord)}
    held = {r.number for r in kept if isinstance(r, StartedRecord)}
    unknown = {n for n, effect in began.items() if n not in ended and (effect == "network" or n in held)}

    _, run = host(workspace, "resume")

    checked(workspace, ended, unknown, run)


COMMAND = "const r = await shell('echo out; echo cmd >> effects'); return [r.exitCode, r.stdout]"
GIVEN = {
    "exitCode": 5, "stdout": "told", "stderr": "", "aggregatedOutput": "told", "durationMs": 1, "timedOut": False,
    "truncated": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "result", "count"),
    [("again", [0, "out\n"], 2), (json.dumps(GIVEN), [5, "told"], 1), ("fail", None, 1)],
)
def test_a_command_that_had_begun_is_asked_about_and_the_answer_counts(workspace, answer, result, count):
    prepared(workspace, COMMAND)
    host(workspace, "run", "before:end:1")
    assert effects(workspace) == {"cmd": 1}

    _, run = host(workspace, "resume", answer=answer)

    assert [q["unknown"] for q in run["asked"]] == [True]
    assert (run["result"], effects(workspace)) == (result, {"cmd": count})
    assert (run["error"] or {}).get("code") == (None if result else "outcome_unknown")
    assert replays(journal(workspace)) == "same"


def test_where_nobody_answers_the_run_stays_interrupted_and_nothing_is_done(workspace):
    prepared(workspace, "await Promise.all([shell('echo cmd >> effects'), tools.send('send')]); return 1")
    host(workspace, "run", "before:end:2")
    before = effects(workspace)

    _, refused = host(workspace, "resume", answer="nobody")
    _, again = host(workspace, "resume", answer="nobody")

    assert refused["interrupted"]["code"] == again["interrupted"]["code"] == "outcome_unknown"
    assert 2 in [u["number"] for u in refused["interrupted"]["details"]["unknown"]]
    assert effects(workspace) == before
    assert host(workspace, "resume", answer="fail")[1]["status"] == "failed"


def test_a_question_that_was_answered_before_another_death_is_not_asked_again(workspace):
    prepared(workspace, COMMAND)
    host(workspace, "run", "before:end:1")
    code, _ = host(workspace, "resume", "before:end:1", answer="fail")
    assert code == -signal.SIGKILL

    _, run = host(workspace, "resume", answer="nobody")

    assert run["error"]["code"] == "outcome_unknown"


def test_a_second_attempt_that_died_too_is_another_question(workspace):
    prepared(workspace, COMMAND)
    host(workspace, "run", "before:end:1")
    host(workspace, "resume", "before:end:1", answer="again")
    assert effects(workspace) == {"cmd": 2}

    _, run = host(workspace, "resume", answer="nobody")

    assert run["interrupted"]["code"] == "outcome_unknown"


@pytest.mark.parametrize(
    "stop", [f"{place}:{n}" for n in range(2, 24, 1 if FULL else 7) for place in ("before", "after")]
)
def test_a_resume_that_is_killed_is_resumed(workspace, stop):
    prepared(workspace)
    host(workspace, "run", "before:14")
    host(workspace, "resume", stop)

    code, run = host(workspace, "resume") if interrupted(state_dir(workspace)) else (0, None)

    assert code == 0
    assert run is None or run["status"] == "completed"
    assert all(count == 1 for name, count in effects(workspace).items())
    assert (workspace / "n.txt").read_text() == "n=2\n"
    assert replays(journal(workspace)) == "same"


PATCH = SCRIPT[SCRIPT.index("applyPatch(") : SCRIPT.index("`)),") + 2]


@pytest.mark.parametrize("undone", [(), ("n.txt",), ("m.txt", "moved.txt"), ("n.txt", "m.txt", "moved.txt")])
def test_a_patch_cut_short_after_any_of_its_files_is_completed(workspace, undone):
    prepared(workspace, f"return {PATCH}")
    host(workspace, "run", "before:end:1")
    originals = {"n.txt": "n=1\n", "m.txt": "m=1\n", "moved.txt": None}
    for name in undone:
        text = originals[name]
        (workspace / name).unlink() if text is None else (workspace / name).write_text(text)

    _, run = host(workspace, "resume", answer="nobody")

    assert (run["status"], run["asked"]) == ("completed", [])
    assert run["result"]["moved"] == [{"from": "m.txt", "to": "moved.txt"}]
    assert {p.name: p.read_text() for p in workspace.glob("*.txt")} == {"n.txt": "n=2\n", "moved.txt": "m=2\n"}
    (end,) = [r for r in records(journal(workspace)) if isinstance(r, EndRecord)]
    assert {(Path(c["path"]).name, c["before"]["kind"], c["after"]["kind"]) for c in end.changes} == {
        ("n.txt", "file", "file"), ("m.txt", "file", "missing"), ("moved.txt", "missing", "file"),
    }  # fmt: skip


def test_a_file_that_somebody_else_changed_since_is_asked_about(workspace):
    prepared(workspace, "return writeFile('n.txt', 'n=9\\n')")
    host(workspace, "run", "before:end:1")
    (workspace / "n.txt").write_text("theirs\n")

    _, nobody = host(workspace, "resume", answer="nobody")
    _, run = host(workspace, "resume", answer="fail")

    assert nobody["interrupted"]["code"] == "outcome_unknown"
    assert run["error"]["code"] == "outcome_unknown"
    assert (workspace / "n.txt").read_text() == "theirs\n"


def test_a_command_that_was_held_back_and_one_that_only_reads_run_again_unasked(workspace):
    prepared(workspace, COMMAND)
    host(workspace, "run", "before:started:1")
    assert host(workspace, "resume", answer="nobody")[1]["result"] == [0, "out\n"]
    assert effects(workspace) == {"cmd": 1}


def test_a_known_safe_command_runs_again_unasked(workspace):
    prepared(workspace, "return (await tools.exec({command: ['cat', 'n.txt']})).stdout")
    host(workspace, "run", "before:end:1")

    assert host(workspace, "resume", answer="nobody")[1]["result"] == "n=1\n"


@pytest.mark.parametrize(("stop", "asked"), [("before:4", 1), ("after:4", 0)])
def test_pending_requests_are_asked_again_and_decisions_stand(workspace, stop, asked):
    prepared(workspace, "return tools.send('send')")
    host(workspace, "run", stop)  # run, call, ask, decision

    nobody = host(workspace, "resume", answer="nobody")[1]
    if asked:
        assert nobody["interrupted"]["code"] == "consent_needed"
    run = host(workspace, "resume")[1] if asked else nobody

    assert (run["result"], len(run["asked"]), effects(workspace)) == ("send", asked, {"send": 1})


def test_a_timer_has_only_the_time_left(workspace):
    prepared(workspace, "const began = Date.now(); await sleep(1500); return Date.now() - began")
    host(workspace, "run", "before:end:1")

    _, run = host(workspace, "resume")

    assert run["result"] >= 1400


def test_a_run_that_has_ended_one_that_goes_on_and_one_of_another_engine_are_not_resumed(workspace):
    prepared(workspace, "return 1")
    host(workspace, "run")
    path = journal(workspace)

    async def attempt(run_id: str) -> str:
        async with Harness(workspace) as harness:
            try:
                await harness.resume(run_id)
            except ToolscriptError as error:
                return f"{error.code}: {error.message}"
        return "resumed"

    assert asyncio.run(attempt(path.stem)).startswith("not_resumable")
    assert asyncio.run(attempt("r-unknown")).startswith("not_found")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    held = DiskJournal.resume(path)
    assert asyncio.run(attempt(path.stem)).startswith("journal_error")
    held.close()
    path.write_bytes(lines[0].replace(b'"engine":"', b'"engine":"other '))
    refused = asyncio.run(attempt(path.stem))
    assert refused.startswith("other_installation")
    assert "engine" in refused


def test_a_run_whose_script_does_something_else_stays_interrupted(workspace):
    prepared(workspace, "await tools.look('one'); return 1")
    host(workspace, "run", "before:end:1")
    path = journal(workspace)
    kept = list(records(path))
    path.unlink()
    changed = DiskJournal(path)
    for record in kept:
        changed.write(
            replace(record, source=record.source.replace("one", "two")) if isinstance(record, RunRecord) else record
        )
    changed.close()

    _, refused = host(workspace, "resume")

    assert refused["interrupted"]["code"] == "diverged"
    assert "call #1 look" in refused["interrupted"]["message"]
    assert not any(isinstance(r, RunEndRecord) for r in records(path))


def test_commands_that_outlived_their_host_are_ended_first(workspace):
    running = subprocess.Popen(["sleep", "100"], start_new_session=True)
    pid, boot = running.pid, processes.boot_id()
    try:
        started = processes.start_time(pid)
        for wrong in (
            StartedRecord(number=1, pid=pid, start_time=started + 1, boot_id=boot),
            StartedRecord(number=1, pid=pid, start_time=started, boot_id="another boot"),
            StartedRecord(number=1, pid=pid, start_time=0, boot_id=boot),
        ):
            assert end_leftovers([wrong]) == ()
            assert running.poll() is None, "a process that only has the pid is not ours"

        end_leftovers([StartedRecord(number=1, pid=pid, start_time=started, boot_id=boot)])

        assert running.wait(10) == -signal.SIGKILL
    finally:
        running.kill()
        running.wait()
