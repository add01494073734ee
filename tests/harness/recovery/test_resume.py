"""Resume: a host is killed at its records and between effect and record, and another process goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from toolscript.journal.reader import records
from toolscript.journal.records import BeginRecord, CallRecord, EndRecord, RunEndRecord, StartedRecord
from toolscript.journal.state import run_files, state_dir
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
