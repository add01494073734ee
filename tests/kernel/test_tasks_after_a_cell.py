"""A task that outlives its cell, in a real kernel: it asks below that cell, and its record tells how it ended."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.kernel.running import Kernel, kernel, page

RUN = "application/vnd.toolscript.run+json"
VIEW = "application/vnd.jupyter.widget-view+json"
REMOVE = "%%toolscript\nconst task = tools.spawn.shell('rm -f victim.txt');\nreturn task.id"
PAGE = {"allow_stdin": True, "cell_id": "c1"}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with page(tmp_path_factory.mktemp("workspace")) as it:
        yield it


@pytest.fixture
def victim(running: Kernel):
    path = running.cwd / "victim.txt"
    path.touch()
    return path


class Seen:
    """What a page knows of a cell: its controls by what is written on them, and what stands in its output."""

    def __init__(self) -> None:
        self.controls: dict[str, str] = {}
        self.data: dict[str, Any] = {}

    def take(self, message: dict[str, Any]) -> Seen:
        content = message["content"]
        if message["msg_type"] == "comm_open" and "description" in (state := content["data"]["state"]):
            self.controls[state["description"]] = content["comm_id"]
        if message["msg_type"] in ("display_data", "update_display_data"):
            self.data = content["data"]
        return self

    @property
    def row(self) -> dict[str, Any]:
        return self.data[RUN]["parts"][0]["operations"][0]


def asked(running: Kernel, code: str = REMOVE) -> tuple[str, Seen]:
    """Run a cell whose task waits for consent when the cell has ended."""
    cell, seen = running.send(code, **PAGE), Seen()
    for message in running.finish(cell).messages:
        seen.take(message)
    if VIEW not in seen.data:
        until(running, cell, seen, lambda: VIEW in seen.data)
    return cell, seen


def until(running: Kernel, cell: str, seen: Seen, there: Any) -> None:
    list(running.until(cell, lambda m: seen.take(m) and there()))


def said(running: Kernel, code: str) -> str:
    shown = running.run(code, allow_stdin=True, cell_id="commands")
    return "".join(d["data"]["text/plain"] for d in shown.of("display_data")) or shown.reply["content"]["evalue"]


def test_what_a_task_asks_stands_below_its_ended_cell_and_a_click_answers_it(running: Kernel, victim):
    cell, seen = asked(running)
    assert seen.row["outcome"] == "waits for approval"
    assert "waits for approval" in seen.data["text/plain"]

    running.click(seen.controls["Allow once"])
    until(running, cell, seen, lambda: VIEW not in seen.data and "exit" in seen.row["outcome"])
    assert (seen.row["status"], seen.row["outcome"]) == ("succeeded", "exit 0")
    assert seen.data["text/plain"].endswith("[allowed once]  (line 2)")
    assert not victim.exists()


def test_a_denied_task_leaves_its_record_and_nobody_waits(running: Kernel, victim):
    cell, seen = asked(running)
    running.click(seen.controls["Deny"])
    running.click(seen.controls["Allow once"])
    until(running, cell, seen, lambda: VIEW not in seen.data)

    assert seen.row["status"] == "denied"
    assert victim.exists()
    assert said(running, "%toolscript approvals") == "nothing waits, and nothing is allowed ahead"


def test_a_waiting_task_is_listed_and_answered_by_a_command(running: Kernel, victim):
    cell, seen = asked(running)
    listed = said(running, "%toolscript approvals").split("\n")
    name = listed[0].removeprefix("waits: ").partition(" ")[0]
    assert "rm -f victim.txt" in listed[0]
    assert "waiting for approval: 1" in said(running, "%toolscript status")
    assert "(shell) running" in said(running, "%toolscript status")

    assert "rm -f victim.txt" in said(running, f"%toolscript answer deny {name} not today")
    until(running, cell, seen, lambda: VIEW not in seen.data)
    assert "not today" in seen.row["outcome"]

    cell, seen = asked(running)
    assert said(running, "%toolscript answer allow").startswith("allowed once: shell: ")
    until(running, cell, seen, lambda: VIEW not in seen.data and seen.row["status"] == "succeeded")
    assert not victim.exists()


def test_of_several_that_wait_one_is_named(running: Kernel, victim):
    cell, seen = asked(running, "%%toolscript\nfor (const n of [1, 2]) tools.spawn.shell(`rm -f ${n}.txt`);")
    refused = said(running, "%toolscript answer allow")
    assert "several requests wait" in refused and "rm -f 1.txt" in refused and "rm -f 2.txt" in refused
    for line in said(running, "%toolscript approvals").split("\n")[:2]:
        said(running, f"%toolscript answer deny {line.split()[1]}")
    until(running, cell, seen, lambda: VIEW not in seen.data)
    rows = seen.data[RUN]["parts"][0]["operations"]
    assert [row["status"] for row in rows] == ["denied", "denied"]


def test_a_cell_that_runs_meanwhile_asks_for_itself_and_where_nobody_is_there_is_refused_at_once(
    running: Kernel, victim
):
    cell, seen = asked(running)
    own = running.send("%%toolscript\nawait shell('rm -f other.txt')", allow_stdin=True, cell_id="c2")
    other = Seen()
    until(running, own, other, lambda: "Deny and stop" in other.controls)
    running.click(other.controls["Deny"])
    assert running.finish(own).reply["content"]["ename"] == "ApprovalDenied"
    assert "rm -f victim.txt" in said(running, "%toolscript approvals")

    running.client.session.session = "nobody"  # another client, which renders nothing
    refused = running.run("%%toolscript\nawait shell('rm -f other.txt')")
    assert refused.reply["content"]["ename"] == "ApprovalUnavailable"
    running.click(seen.controls["Deny"])
    until(running, cell, seen, lambda: VIEW not in seen.data)


@pytest.mark.parametrize(
    "metadata",
    [{"cellId": "c1"}, {"cellId": "another", "deletedCells": ["c1"]}],
    ids=["run again", "deleted"],
)
def test_what_the_tasks_of_a_cell_ask_that_is_gone_is_asked_below_the_cell_that_runs_next(running, victim, metadata):
    running.handshake()
    asked(running)
    again = running.send("%%toolscript\nreturn 1", allow_stdin=True, metadata=metadata)
    seen = Seen()
    for message in running.finish(again).messages:
        seen.take(message)
    if VIEW not in seen.data:
        until(running, again, seen, lambda: VIEW in seen.data)
    running.click(seen.controls["Allow once"])
    until(running, again, seen, lambda: VIEW not in seen.data)

    end = time.monotonic() + 20
    while "running" in said(running, "%toolscript status") and time.monotonic() < end:
        continue
    assert not victim.exists()


def test_an_agent_that_works_on_as_a_task_asks_when_it_comes_to_it(tmp_path, monkeypatch):
    words = {"prompt": "Clean up", "steps": [
        "<tool-calls>\nawait shell('until test -e go; do sleep 0.05; done');\nawait shell('rm -f victim.txt');\n</tool-calls>\n", "Done."
    ]}  # fmt: skip
    folder = tmp_path / "configuration" / "toolscript"
    folder.mkdir(parents=True)
    (folder / "words.json").write_text(json.dumps({"version": 1, "recordings": [words]}))
    (folder / "toolscript.toml").write_text('[agents.recorded]\nrecordings = ["words.json"]\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder.parent))
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "victim.txt").touch()
    with kernel(standin=False, cwd=workspace) as it:
        it.handshake()
        it.run("%%py\n1")
        cell, seen = asked(it, "%%toolscript\ntools.spawn.agent({ agent: 'recorded', prompt: 'Clean up' });")
        it.click(seen.controls.pop("Allow once"))
        until(it, cell, seen, lambda: VIEW not in seen.data)
        assert seen.row["outcome"] == "goes on as a task"

        (workspace / "go").touch()
        until(it, cell, seen, lambda: VIEW in seen.data)
        it.click(seen.controls["Allow once"])
        until(it, cell, seen, lambda: VIEW not in seen.data and seen.row["status"] == "succeeded")
        assert not (workspace / "victim.txt").exists()


def test_a_console_is_told_how_to_answer_what_a_task_asks(running: Kernel, victim):
    running.client.session.session = "a console"
    cell = running.send(REMOVE, allow_stdin=True)
    reply = running.finish(cell)
    text = reply.stdout
    if "%toolscript answer" not in text:
        *_, message = running.until(cell, lambda m: "%toolscript answer" in str(m["content"].get("text")))
        text += message["content"]["text"]
    name = text.partition("answer allow|deny|stop ")[2].split()[0]
    assert "denied" in said(running, f"%toolscript answer deny {name}")
    assert victim.exists()


def test_a_task_that_ends_after_its_cell_updates_that_cells_record(tmp_path):
    with kernel(standin=False, cwd=tmp_path) as it:
        it.handshake()
        it.run("%%py\n1")
        cell = it.send(
            "%%toolscript\nconst task = tools.spawn.shell('until test -e go; do sleep 0.05; done; exit 3');\n"
            "return task.id",
            allow_stdin=True,
            cell_id="c1",
        )
        reply = it.finish(cell)
        assert reply.reply["content"]["status"] == "ok", reply.outputs
        shown = [m for m in reply.messages if RUN in m["content"].get("data", {})]
        record = shown[-1]["content"]
        assert record["data"][RUN]["parts"][0]["operations"][0]["outcome"] == "goes on as a task"
        assert "until test -e go" in record["data"]["text/plain"]

        (tmp_path / "go").touch()
        *_, update = it.until(cell, lambda m: m["msg_type"] == "update_display_data")
        (operation,) = update["content"]["data"][RUN]["parts"][0]["operations"]
        assert (operation["status"], operation["outcome"]) == ("succeeded", "exit 3")
        assert update["content"]["transient"] == record["transient"]
        tape = update["content"]["metadata"][RUN]["scripts"][0]
        assert tape["operations"][0]["durationMs"] > 0
