"""A saved notebook: it holds what a replay needs, in bounds, and what it holds is believed of a script and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from toolscript.errors import ConfigError, JournalDamaged, ToolError
from toolscript.harness import Harness
from toolscript.journal.reader import records
from toolscript.journal.records import EndRecord, RunRecord
from toolscript.journal.state import run_path
from toolscript.models.recorded import RecordedAdapter, load
from toolscript.recovery.notebook import MIME, found, of_script, saved, saved_cells, tape_of, unspoken
from toolscript.recovery.replay import replay
from toolscript.recovery.tape import CEILINGS, Tape, bearable, recorded_limits

pytestmark = pytest.mark.anyio

MIXED = """
await tools.writeFile({path: 'a.txt', content: 'a'});
const [a, b] = await Promise.all([tools.readFile({path: 'a.txt'}), sleep(3).then(() => Math.random())]);
console.log('half \\ud83d of a character', Date.now());
store.set('seen', a);
return [a, b, params]
"""


@pytest.fixture
async def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DEPLOY_TOKEN", "canary-0123456789")
    (tmp_path / "workspace").mkdir()
    async with Harness(tmp_path / "workspace") as opened:
        yield opened


def notebook(folder: Path, *facts: object) -> Path:
    path = folder / "n.ipynb"
    path.write_text(json.dumps({"cells": [{"outputs": [{"metadata": {MIME: fact}}]} for fact in facts]}))
    return path


async def test_what_is_saved_replays_bit_for_bit_without_journal_and_files(harness, tmp_path):
    run = await harness.run(MIXED, params={"p": [1]})
    path = notebook(tmp_path, {"scripts": [{"runId": run.run_id, "tape": harness.recording(run.run_id)}]})
    run_path(harness.state, run.run_id).unlink()
    (harness.workspace / "a.txt").unlink()

    (cell,) = saved_cells(path)
    again = await replay(found(cell.runs[0], None), harness.pool)

    assert (again.outcome, again.result) == ("same", run.result)
    assert [log.text for log in again.logs] == [log.text for log in run.logs]
    assert not (harness.workspace / "a.txt").exists()


async def test_a_run_that_is_too_large_says_so_and_replays_from_its_journal(harness, tmp_path):
    (harness.workspace / "big.txt").write_text("x" * 70_000)
    run = await harness.run("return (await readFile('big.txt')).length")
    tape = harness.recording(run.run_id)
    path = notebook(tmp_path, {"scripts": [{"runId": run.run_id, "tape": tape}]})
    (cell,) = saved_cells(path)

    assert tape is not None and tape["complete"] is False
    assert len(json.dumps(tape)) < 20_000
    with pytest.raises(ConfigError, match="does not hold all"):
        found(cell.runs[0], None)
    whole = found(cell.runs[0], run_path(harness.state, run.run_id))
    assert (await replay(whole, harness.pool)).result == 70_000


async def test_a_secret_is_no_more_in_what_is_saved_than_in_the_journal(harness):
    run = await harness.run("return params.length", params="the token is canary-0123456789")

    assert "canary" not in json.dumps(harness.recording(run.run_id))


async def test_a_refused_and_an_unknown_run_have_nothing_to_save(harness):
    refused = await harness.run("   ")

    assert harness.recording(refused.run_id) is None
    assert harness.recording("r-unknown") is None
    assert harness.recording("") is None


async def test_a_recording_from_anybody_gets_no_more_than_a_machine_bears(harness):
    run = await harness.run("return 1")
    tape = Tape.read(records(run_path(harness.state, run.run_id)))
    greedy = dict.fromkeys(tape.run.limits, 10**15)

    limits = recorded_limits(bearable(replace(tape, run=replace(tape.run, limits=greedy))).run)

    assert all(getattr(limits, name) == most for name, most in CEILINGS.items())
    with pytest.raises(ConfigError, match="limits that there are not: cpus"):
        recorded_limits(replace(tape.run, limits={"cpus": 4}))


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ({"version": 2, "complete": True, "records": []}, "format version 2"),
        ({"version": 1, "complete": True, "records": [{"kind": "begin", "number": 1}]}, "not a record of a tape"),
        ({"version": 1, "complete": True, "records": [{"kind": "log", "level": 3}]}, "log"),
        ({"version": 1, "complete": True, "records": [{"kind": "log", "text": {"$blob": "x"}}]}, "not in a notebook"),
        ({"version": 1, "complete": True, "records": [{"kind": "log", "text": {"$json": "{"}}]}, "line 1"),
        ({"version": 1, "complete": True, "records": [{"kind": "log", "text": {"$json": "[" * 5000}}]}, "line 1|deep"),
        ({"version": 1, "complete": True, "records": [{"kind": []}]}, "not a record of a tape"),
        ({"version": 1, "complete": True, "records": []}, "does not begin with a run"),
    ],
)
def test_what_is_no_tape_is_damage_not_a_crash(spoilt, reason):
    with pytest.raises(JournalDamaged, match=reason):
        tape_of(spoilt)


@pytest.mark.parametrize("time_ms", [10**16, -(10**30), 10**400])
async def test_a_time_that_no_clock_shows_is_damage(harness, time_ms):
    run = await harness.run("await sleep(1); return 1")
    recording = harness.recording(run.run_id)
    next(r for r in recording["records"] if r["kind"] == "end")["time_ms"] = time_ms

    with pytest.raises(JournalDamaged, match="time_ms"):
        tape_of(recording)


@pytest.mark.parametrize("text", ["", "[]", '{"cells": 3}', '{"cells": [{"outputs": [3]}]}', "[" * 100_000])
def test_what_is_no_notebook_is_a_clear_error(tmp_path, text):
    (tmp_path / "n.ipynb").write_text(text)
    for read in (saved_cells, load):
        with pytest.raises(ConfigError, match="is no notebook"):
            read(tmp_path / "n.ipynb")


async def test_the_script_of_a_cell_finds_its_run(harness, tmp_path):
    runs = [await harness.run(source) for source in ("return 1", "return 2")]
    tapes = [{"runId": run.run_id, "tape": harness.recording(run.run_id)} for run in runs]
    cells = saved_cells(notebook(tmp_path, *({"scripts": [tape]} for tape in tapes)))

    assert of_script(cells, "return 2\n").run_id == runs[1].run_id
    assert of_script(cells, "return 3", runs[0].run_id).run_id == runs[0].run_id
    with pytest.raises(ConfigError, match=f"{runs[0].run_id} \\(cell 1\\), {runs[1].run_id} \\(cell 2\\)"):
        of_script(cells, "return 3")


async def test_a_turn_is_held_against_what_the_model_had_said(harness, tmp_path):
    reply = "I look.\n<tool-calls>\nreturn 1\n</tool-calls>\n<tool-calls>\nreturn 2\n</tool-calls>\n"
    runs = [await harness.run(f"\nreturn {n}\n", origin="model") for n in (1, 2)]
    tapes = [Tape.read(records(run_path(harness.state, run.run_id))) for run in runs]
    scripts = [{"runId": run.run_id, "tape": harness.recording(run.run_id)} for run in runs]
    turn = {"prompt": "Look.", "steps": [{"text": reply}, {"text": "Done."}]}
    (cell,) = saved_cells(notebook(tmp_path, {"turn": turn, "scripts": scripts}))

    assert (cell.prompt, cell.replies) == ("Look.", (reply, "Done."))
    assert unspoken(cell, tapes) is None
    assert unspoken(replace(cell, replies=("Done.",)), tapes) is not None
    assert unspoken(cell, tapes[::-1]) is not None
    assert RecordedAdapter(recordings=[tmp_path / "n.ipynb"]).prompts[-1] == "Look."


async def test_what_has_no_script_is_not_replayed(harness):
    (harness.workspace / "a.txt").write_text("old")
    run = await harness.run("await writeFile('a.txt', 'new')")
    undone = await harness.undo(run.run_id)

    with pytest.raises(ToolError, match=f"{undone.run_id} is an undo"):
        await replay(Tape.read(records(run_path(harness.state, undone.run_id))), harness.pool)


async def test_changes_and_their_bodies_stay_out(harness):
    run = await harness.run("await writeFile('a.txt', 'new')")
    kept = saved(run_path(harness.state, run.run_id))["records"]

    assert {r["kind"] for r in kept} == {"run", "call", "end", "run_end"}
    assert isinstance(next(iter(records(run_path(harness.state, run.run_id)))), RunRecord)
    assert any(isinstance(r, EndRecord) and r.changes for r in records(run_path(harness.state, run.run_id)))
    assert not any("changes" in r for r in kept)


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        ({"mode": "dry-run", "status": "completed"}, "planned only"),
        ({"mode": "off", "status": "completed"}, "shown, not run"),
        ({"status": "failed", "error": {"code": "unsupported_typescript"}}, "refused before it ran"),
    ],
)
async def test_what_never_ran_is_passed_over_and_is_not_the_run_of_a_script(harness, tmp_path, shown, says):
    run = await harness.run("return 1")
    scripts = [{"runId": "r-none"}, {"runId": run.run_id, "tape": harness.recording(run.run_id)}]
    path = notebook(tmp_path, {"scripts": scripts})
    document = json.loads(path.read_text())
    parts = [{"type": "text", "text": "x"}, {"type": "script", **shown}, {"type": "script", "mode": "dry-run"}]
    document["cells"][0]["outputs"][0]["data"] = {MIME: {"parts": parts}}
    path.write_text(json.dumps(document))

    cells = saved_cells(path)
    idle, ran = cells[0].runs

    assert (idle.idle, ran.idle) == (says, ""), "what has a tape has run, whatever the page says"
    with pytest.raises(ConfigError, match=f"^cell 1: {says}, nothing to replay$"):
        found(idle, None)
    assert of_script(cells, "return 2") == ran


@pytest.mark.parametrize("shown", [1, [], {"parts": 1}, {"parts": [1, {"type": "script", "mode": [], "error": 3}]}])
def test_a_page_that_is_none_tells_nothing_of_a_run(tmp_path, shown):
    path = notebook(tmp_path, {"scripts": [{"runId": "r-1"}]})
    document = json.loads(path.read_text())
    document["cells"][0]["outputs"][0]["data"] = {MIME: shown}
    path.write_text(json.dumps(document))

    assert [run.idle for cell in saved_cells(path) for run in cell.runs] == [""]
