"""Runs that have ended come back: audited, replayed, undone, planned, or as a cell to edit; with real workers and tools."""

from __future__ import annotations

import json
import os
import signal
import time

import psutil
import pytest
from tests.kernel.running import Kernel, Reply, kernel

from toolscript.approvals.plan import Plan, PlanRow
from toolscript_kernel.approvals.choosing import plan_text
from toolscript_kernel.record import MIME

WRITES = '%%toolscript\nawait tools.writeFile({ path: "a.txt", content: "new" });\nconsole.log("wrote");\nreturn 1'


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recall")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        patch.setenv("SERVICE_TOKEN", "canary-5ad1-77")
        (folder / "workspace").mkdir()
        with kernel(standin=False, cwd=folder / "workspace") as it:
            it.run("%agent recorded")
            yield it


def shown(reply: Reply) -> str:
    return "\n".join(m["data"]["text/plain"] for m in reply.of("display_data"))


def test_undo_takes_the_last_run_back_and_says_what_it_did(running: Kernel):
    (running.cwd / "a.txt").write_text("old")
    running.run(WRITES)
    undone = shown(running.run("%toolscript undo"))
    run_id = undone.split()[-1]
    again = running.run(f"%toolscript undo {run_id}")

    assert undone == f"restored a.txt\nto take this undo back: %toolscript undo {run_id}"
    assert shown(again).startswith("restored a.txt\n")
    assert (running.cwd / "a.txt").read_text() == "new"


def test_undo_names_what_it_removed_and_what_nothing_takes_back(running: Kernel):
    (running.cwd / "made.txt").unlink(missing_ok=True)
    running.run("%%toolscript\nawait tools.writeFile({ path: 'made.txt', content: '1' });\nawait exec(['ls', '.'])")
    undone = shown(running.run("%toolscript undo")).splitlines()

    assert undone[0] == "removed made.txt"
    assert undone[1].startswith("cannot be taken back: exec ls .")
    assert undone[2].startswith("to take this undo back: %toolscript undo r-")


def test_undo_of_a_run_that_only_read_says_so_and_names_the_last_that_did_more(running: Kernel):
    (running.cwd / "a.txt").write_text("old")
    running.run(WRITES)
    writing = running.run("%%py\nprint(_run.run_id)").stdout.strip()
    running.run("%%toolscript\nreturn await readFile('a.txt')")
    reading = running.run("%%py\nprint(_run.run_id)").stdout.strip()
    told = shown(running.run("%toolscript undo"))

    assert told.splitlines()[0] == f"nothing to take back: {reading} changed no file"
    assert told.endswith(f"%toolscript undo {writing}")
    assert (running.cwd / "a.txt").read_text() == "new"


def test_undo_of_a_file_that_was_changed_since_asks_for_a_choice(running: Kernel):
    (running.cwd / "a.txt").write_text("old")
    running.run(WRITES)
    (running.cwd / "a.txt").write_text("mine")
    refused = running.run("%toolscript undo")
    kept = (running.cwd / "a.txt").read_text()
    running.run("%toolscript undo a.txt=restore")

    assert refused.reply["content"]["status"] == "error"
    assert kept == "mine"
    assert (running.cwd / "a.txt").read_text() == "old"


def test_a_run_replays_without_its_tools(running: Kernel):
    running.run(WRITES)
    (running.cwd / "a.txt").unlink()
    replayed = running.run("%toolscript replay")

    assert shown(replayed) == "replayed: the same"
    assert not (running.cwd / "a.txt").exists()


def test_a_changed_script_is_held_against_a_recorded_run(running: Kernel):
    running.run(WRITES)
    run_id = running.run("%%py\nprint(_run.run_id)").stdout.strip()
    same = running.run(WRITES.replace("%%toolscript", f"%%toolscript --replay {run_id}"))
    other = running.run(f'%%toolscript --replay {run_id}\nawait tools.writeFile({{ path: "b.txt", content: "new" }});')

    assert same.stdout == "wrote\n"
    assert same.of("execute_result")[0]["data"]["text/plain"] == "1"
    assert other.reply["content"]["ename"] == "Diverged"
    assert "b.txt" in other.reply["content"]["evalue"]
    assert not (running.cwd / "b.txt").exists()


def test_audit_tells_what_a_run_did(running: Kernel):
    running.run(WRITES)
    lines = shown(running.run("%toolscript audit")).split("\n")

    assert lines[0].endswith("from cell, policy on-request")
    assert lines[1].startswith("#1 writeFile: succeeded in ")


def test_audit_counts_lines_as_the_record_of_the_cell_does(running: Kernel, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(running.cwd.parent / "state"))
    ran = running.run("\n%%toolscript\n\nawait readFile('nowhere')")
    run_id = running.run("%%py\nprint(_run.run_id)").stdout.strip()
    audited = shown(running.run("%toolscript audit")).split("\n")

    assert any("line 4, column" in line for line in ran.of("error")[0]["traceback"])
    assert " · line 4" in audited[1]
    with kernel(standin=False, cwd=running.cwd) as another:
        told = shown(another.run(f"%toolscript audit {run_id}")).split("\n")
    assert told[0].endswith("from cell, policy on-request, lines counted below %%toolscript")
    assert " · line 2" in told[1]


def test_edit_puts_the_models_script_into_the_next_cell(running: Kernel):
    running.run("Which files are here?")
    reply = running.run("%toolscript edit").reply["content"]

    assert reply["payload"] == [
        {
            "source": "set_next_input",
            "text": '%%toolscript\nconst entries = await tools.listDir({ path: "." });\n'
            "return entries.map((entry) => entry.path).sort();",
            "replace": False,
        }
    ]
    assert running.run("%toolscript status").reply["content"]["payload"] == []
    assert running.run("%toolscript edit 9").reply["content"]["evalue"].startswith("there is no script '9'")


def test_a_dry_run_shows_what_would_be_done_and_does_nothing(running: Kernel):
    (running.cwd / "a.txt").write_text("old")
    dry = running.run(WRITES.replace("%%toolscript", "%%toolscript --dry-run"))

    assert shown(dry).startswith("◇ script planned · dry run · 1 operation\n  ◇ 1 writeFile")
    assert shown(dry).endswith("planned, not done; the script would return:")
    assert (running.cwd / "a.txt").read_text() == "old"


def test_a_plan_needs_somebody_who_chooses(running: Kernel):
    it = running.run(WRITES.replace("%%toolscript", "%%toolscript --plan"))

    assert it.reply["content"]["ename"] == "ApprovalUnavailable"


@pytest.mark.parametrize(
    ("chosen", "content", "says"),
    [
        ("Run what is chosen", "new", ("1 of 1 chosen by you", "— chosen")),
        ("Discard", "old", ("declined by you; nothing was done", "— not chosen")),
    ],
)
def test_what_is_chosen_of_a_plan_is_done(running: Kernel, chosen: str, content: str, says: tuple[str, str]):
    (running.cwd / "a.txt").write_text("old")
    running.handshake()
    cell = running.send(WRITES.replace("%%toolscript", "%%toolscript --plan"), allow_stdin=True, cell_id="p1")
    buttons = {}
    for message in running.until(cell, lambda m: m["msg_type"] == "display_data"):
        if message["msg_type"] == "comm_open":
            state = message["content"]["data"]["state"]
            buttons[state.get("description", "")] = message["content"]["comm_id"]
    running.click(buttons[chosen])
    it = running.finish(cell)
    frozen = it.of("update_display_data")[0]["data"]["text/plain"]

    assert it.reply["content"]["status"] == "ok"
    assert (running.cwd / "a.txt").read_text() == content
    assert all(word in frozen for word in says)


def test_a_plan_says_a_command_as_people_do():
    row = PlanRow(
        number=1, tool="shell", arguments={"command": "touch t.txt", "workdir": "."}, effect="execute",
        summary="run touch t.txt",
    )  # fmt: skip
    plan = Plan(
        source="", script_hash="", params=None, rows=(row,), status="complete", seed=0, time_ms=0, tools_digest=""
    )

    assert plan_text(plan).splitlines()[1] == "  ◇ 1 shell: run touch t.txt"


@pytest.mark.parametrize(
    "command",
    [
        f"%toolscript approvals revoke {'9' * 5000}", f"%toolscript edit {'9' * 5000}", f"%toolscript undo {'9' * 5000}",
        f"%toolscript resume r-x {'9' * 5000}=again", f"%toolscript resume r-x 1={'[' * 5000}",
        f"%toolscript audit {'a' * 5000}", f"%toolscript replay {'a' * 300}",
    ],
)  # fmt: skip
def test_a_number_or_name_that_nothing_can_have_is_refused_in_one_sentence(running: Kernel, command: str):
    running.run(WRITES)

    assert running.run(command).reply["content"]["ename"] in ("ConfigError", "ToolError", "JournalError")


@pytest.mark.parametrize("command", ["%toolscript approvals revoke ²", "%toolscript edit ²"])
def test_a_digit_that_is_no_number_is_refused_in_one_sentence(running: Kernel, command: str):
    running.run(WRITES)

    assert running.run(command).reply["content"]["ename"] == "ConfigError"


def metadata(reply: Reply) -> list[dict]:
    """What of a cell's outputs is saved beside them; a page with widgets gets it by an update."""
    return [m["metadata"] for kind in ("display_data", "update_display_data") for m in reply.of(kind)]


def saved_notebook(running: Kernel, *cells: str) -> list[Reply]:
    """Run cells and save what they gave as a notebook, as a page does."""
    replies = [running.run(cell) for cell in cells]
    outputs = [[{"metadata": m} for m in metadata(reply)] for reply in replies]
    (running.cwd / "saved.ipynb").write_text(json.dumps({"cells": [{"outputs": o} for o in outputs]}))
    return replies


def test_a_saved_notebook_replays_without_its_journals(running: Kernel):
    chance = '%%toolscript\nawait tools.writeFile({ path: "c.txt", content: "c" });\nreturn [Math.random(), Date.now()]'
    script, turn = saved_notebook(running, chance, "Which files are here?")
    for journal in (running.cwd.parent / "state").rglob("*.jsonl"):
        journal.unlink()
    (running.cwd / "c.txt").unlink()

    again = running.run(chance.replace("%%toolscript", "%%toolscript --replay saved.ipynb"))
    vague = running.run("%toolscript replay saved.ipynb")
    other = running.run("%%toolscript --replay saved.ipynb\nreturn 3")

    assert again.of("execute_result")[0]["data"] == script.of("execute_result")[0]["data"]
    assert vague.reply["content"]["ename"] == other.reply["content"]["ename"] == "ConfigError"
    assert "say FILE#RUN" in other.reply["content"]["evalue"]
    assert not (running.cwd / "c.txt").exists()
    (facts,) = [m[MIME] for m in metadata(turn) if MIME in m]
    assert facts["turn"]["prompt"] == "Which files are here?"
    assert [bool("<tool-calls>" in step["text"]) for step in facts["turn"]["steps"]] == [True, False]
    named = running.run(f"%toolscript replay saved.ipynb#{facts['scripts'][0]['runId']}")
    assert shown(named) == "replayed: the same"


WAITS = """%%toolscript
await tools.writeFile({ path: 'kept.txt', content: 'x' });
console.log('waiting');
try { await tools.exec({ command: ['sleep', '7411'] }); } catch (error) { return error.name }
"""


def test_a_run_whose_kernel_was_killed_is_gone_on_with_in_the_next_one(tmp_path):
    (tmp_path / "workspace").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        with kernel(standin=False, cwd=tmp_path / "workspace") as it:
            cell = it.send(WAITS)
            list(it.until(cell, lambda m: m["msg_type"] == "stream"))
            _until(sleeping)
            os.kill(it.manager.provisioner.pid, signal.SIGKILL)
            _until(lambda: not it.manager.is_alive())
        with kernel(standin=False, cwd=tmp_path / "workspace") as it:
            listed = it.run("%toolscript resume").of("display_data")[0]["data"]["text/plain"]
            run_id, _, first = listed.partition("  ")
            resumed = it.run(f"%toolscript resume {run_id} 2=fail")
            after = it.run("%toolscript resume").of("display_data")[0]["data"]["text/plain"]

    assert first == "await tools.writeFile({ path: 'kept.txt', content: 'x' });"
    assert resumed.of("execute_result")[0]["data"]["text/plain"] == '"OutcomeUnknown"'
    assert after == "no run and no turn was interrupted here"
    assert not sleeping()


def test_a_turn_whose_kernel_was_killed_is_gone_on_with_in_the_next_one(tmp_path):
    home = tmp_path / "config" / "toolscript"
    home.mkdir(parents=True)
    (tmp_path / "workspace").mkdir()
    (home / "toolscript.toml").write_text('[agents.tape]\nprovider = "recorded"\nrecordings = ["talk.json"]\n')
    script = WAITS.removeprefix("%%toolscript\n")
    steps = [f"<tool-calls>\n{script}\n</tool-calls>\n", "It is kept."]
    talk = [{"prompt": "keep x", "steps": steps}, {"prompt": "sure?", "steps": ["Yes."]}]
    (home / "talk.json").write_text(json.dumps({"recordings": talk}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        with kernel(standin=False, cwd=tmp_path / "workspace") as it:
            it.run("%agent tape")
            it.send("keep x")
            _until(sleeping)
            os.kill(it.manager.provisioner.pid, signal.SIGKILL)
            _until(lambda: not it.manager.is_alive())
        with kernel(standin=False, cwd=tmp_path / "workspace") as it:
            listed = shown(it.run("%toolscript resume")).splitlines()
            conversation, run_id = (line.partition("  ")[0] for line in listed)
            early = it.run(f"%toolscript resume {conversation}")
            it.run(f"%toolscript resume {run_id} 2=fail")
            resumed = it.run(f"%toolscript resume {conversation}")
            history = shown(it.run("%toolscript history"))
            it.run("%agent tape")
            after = it.run("sure?")
            left = shown(it.run("%toolscript resume"))

    assert listed[0].endswith("turn of tape: keep x")
    assert early.reply["content"]["ename"] == "StillInterrupted" and run_id in early.reply["content"]["evalue"]
    assert "It is kept." in shown(resumed)
    assert history.startswith("1. keep x  (completed, ")
    assert "Yes." in shown(after)
    assert left == "no run and no turn was interrupted here"


def sleeping() -> bool:
    return any(p.info["cmdline"] == ["sleep", "7411"] for p in psutil.process_iter(["cmdline"]))


def _until(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_turn_is_undone_by_its_number_in_the_history(running: Kernel):
    turn = running.run("Which files are here?")
    number = running.run("%toolscript history").of("display_data")[0]["data"]["text/plain"].splitlines()[-1][0]
    undone = running.run(f"%toolscript undo {number}")
    unknown = running.run("%toolscript undo 99")

    assert turn.reply["content"]["status"] == undone.reply["content"]["status"] == "ok"
    assert shown(undone).startswith("nothing to take back: turn-")
    assert "there is no run or turn 99" in unknown.reply["content"]["evalue"]


def test_no_secret_of_the_environment_is_saved(running: Kernel):
    (running.cwd / "config").write_text("key: canary-5ad1-77")
    reply = running.run("%%toolscript\n// canary-5ad1-77\nconsole.log((await readFile('config')).length);")
    saved = json.dumps([[reply.of(kind)] for kind in ("display_data", "update_display_data")])
    assert "canary" not in saved
    assert "secret:SERVICE_TOKEN" in saved and "key: " in saved
