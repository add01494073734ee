"""What a page's side panel is told by a real kernel, and which of its answers count."""

from __future__ import annotations

from typing import Any

import pytest
from tests.kernel.running import Kernel, kernel, page

ASKS = "%%toolscript\nreturn await tools.shell('rm -f victim.txt').then((r) => r.exitCode, (e) => e.message)"
TASK = "%%toolscript\nreturn tools.spawn.shell('until test -e go; do sleep 0.05; done').id"
PAGE = {"allow_stdin": True, "cell_id": "c1"}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with page(tmp_path_factory.mktemp("workspace")) as it:
        yield it


class Panel:
    """The panel of one page."""

    def __init__(self, running: Kernel, name: str) -> None:
        self._kernel = running
        self._comm = name
        running.tell("comm_open", {"comm_id": name, "target_name": "toolscript.waiting", "data": {}})

    def until(self, found: Any) -> dict[str, Any]:
        """Return the first thing that the panel is told for which ``found`` holds."""

        def told(message: dict[str, Any]) -> bool:
            content = message["content"]
            return message["msg_type"] == "comm_msg" and content["comm_id"] == self._comm and found(content["data"])

        *_, last = self._kernel.until(None, told)
        return last["content"]["data"]

    def requests(self, count: int) -> list[dict[str, Any]]:
        return self.until(lambda d: d["kind"] == "waiting" and len(d["requests"]) == count)["requests"]

    def answer(self, approval_id: Any, choice: Any) -> None:
        data = {"kind": "answer", "id": approval_id, "choice": choice}
        self._kernel.tell("comm_msg", {"comm_id": self._comm, "data": data})


def result(running: Kernel, cell: str) -> str:
    reply = running.finish(cell)
    (shown,) = reply.of("execute_result")
    return shown["data"]["text/plain"]


def test_the_panel_shows_all_of_a_request_and_answers_it(running: Kernel):
    panel = Panel(running, "p-allow")
    cell = running.send(ASKS, **PAGE)
    (asked,) = panel.requests(1)
    assert asked["tool"] == "shell"
    assert asked["answerable"]
    assert {"title": "What it would do", "text": "run rm -f victim.txt", "kind": "fact"} in asked["says"]

    panel.answer(asked["id"], "allow")
    assert panel.requests(0) == []
    assert result(running, cell) == "0"


def test_a_denial_names_who_denied(running: Kernel):
    panel = Panel(running, "p-deny")
    cell = running.send(ASKS, **PAGE)
    (asked,) = panel.requests(1)
    panel.answer(asked["id"], "deny")

    assert "denied by a person in the side panel" in result(running, cell)


def test_what_is_no_answer_or_comes_too_late_changes_nothing(running: Kernel):
    panel = Panel(running, "p-late")
    cell = running.send(ASKS, **PAGE)
    (asked,) = panel.requests(1)
    for junk in (None, 7, [], {}, "edit", "allow_conversation", "deny_and_stop", "ALLOW"):
        panel.answer(asked["id"], junk)
    for junk in (None, 7, [], {}):
        panel.answer(junk, "allow")
    panel.answer("a-nobody", "allow")
    refused = panel.until(lambda d: d["kind"] == "refused")
    assert refused["id"] == "a-nobody"
    assert panel.requests(1) == [asked]

    panel.answer(asked["id"], "deny")
    panel.answer(asked["id"], "allow")
    late = panel.until(lambda d: d["kind"] == "refused")
    assert late["id"] == asked["id"]
    assert "denied" in result(running, cell)


def test_a_panel_that_comes_later_is_told_of_the_tasks_that_run(running: Kernel):
    name = result(running, running.send(TASK, **PAGE)).strip("'\"")
    panel = Panel(running, "p-task")
    told = panel.until(lambda d: d["kind"] == "waiting")
    assert {"id": name, "tool": "shell"} in told["tasks"]

    (running.cwd / "go").touch()
    assert panel.until(lambda d: d["kind"] == "waiting" and not d["tasks"])["requests"] == []


def test_a_panel_is_nobody_who_could_be_asked(tmp_path):
    with kernel(standin=False, cwd=tmp_path) as alone:
        Panel(alone, "p-nobody")

        assert "nobody can be asked" in result(alone, alone.send(ASKS))
