"""Servers from the registries, configured by a person and used from scripts: consent, questions, pictures, progress."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psutil
import pytest
from tests.oracles import npm_program
from tests.tools.mcp.test_real_servers import repository_with_a_change

from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.events import OperationOutputDelta, OperationStatus, RunStatus
from toolscript.harness import Harness

pytestmark = pytest.mark.anyio


def table(name: str, command: list[str], **settings: Any) -> str:
    lines = [f"[mcp.{name}]", f"command = {json.dumps(command)}", "startup_timeout = 90"]
    return "\n".join([*lines, *(f"{key} = {json.dumps(value)}" for key, value in settings.items()), ""])


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Harness]:
    """Give a function that opens a harness for which a person configured these servers."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    work = tmp_path / "work"
    work.mkdir()
    repository_with_a_change(work)

    def harness(*names: str) -> Harness:
        tables = {
            "time": lambda: table("time", [sys.executable, "-m", "mcp_server_time"]),
            "git": lambda: table("git", [sys.executable, "-m", "mcp_server_git"], lazy=True),
            "files": lambda: table("files", [npm_program("mcp-server-filesystem"), str(work)]),
            "everything": lambda: table("everything", [npm_program("mcp-server-everything"), "stdio"]),
        }
        (tmp_path / "config" / "toolscript").mkdir(parents=True)
        text = "\n".join(tables[name]() for name in names)
        (tmp_path / "config" / "toolscript" / "toolscript.toml").write_text(text)
        return Harness(work)

    return harness


class Deciding:
    """Answers every request alike, as a person who fills in forms."""

    name = "test"

    def __init__(self, harness: Harness, choice: Choice, arguments: Any = None) -> None:
        self._harness, self._choice, self._arguments = harness, choice, arguments
        self.seen: list[ApprovalRequest] = []

    def show(self, request: ApprovalRequest) -> None:
        self.seen.append(request)
        decision = Decision(choice=self._choice, by=self.name, arguments=self._arguments)
        self._harness.approvals.decide_threadsafe(request.approval_id, decision)

    def withdraw(self, approval_id: str, decision: Decision) -> None:
        pass


FOUR_SERVERS = """
const repo_path = context.workingDirectory;
const [time, status, text] = await Promise.all([
  tools.mcp.time.get_current_time({ timezone: "Asia/Tokyo" }),
  tools.mcp.git.git_status({ repo_path }),
  tools.mcp.files.read_text_file({ path: repo_path + "/file" }),
]);
const sum = await tools.mcp.everything.get_sum({ a: 2, b: 40 });
const weather = await tools.mcp.everything.get_structured_content({ location: "Chicago" });
const image = (await tools.mcp.everything.get_tiny_image()).content.find((block) => block.type === "image");
const { resources } = await tools.mcp.everything.listResources();
const [part] = (await tools.mcp.everything.readResource({ uri: resources[0].uri })).contents;
const found = (await tools.search("git status")).map((tool) => tool.name);
return {
  zone: time.structuredContent.timezone, status: status.content[0].text, text: text.content[0].text,
  sum: sum.content[0].text, degrees: typeof weather.structuredContent.temperature,
  image: [image.mimeType, image.data.slice(0, 8)], uri: part.uri === resources[0].uri, found: found[0],
};
"""


async def test_a_script_works_with_four_servers_and_nothing_of_them_reaches_our_output(
    opened: Callable[..., Harness], capfd: pytest.CaptureFixture[str]
) -> None:
    async with opened("time", "git", "files", "everything") as harness:
        run = await harness.run(FOUR_SERVERS)

    assert run.error is None, run.error
    result = run.result
    assert (result["zone"], result["text"], result["degrees"], result["uri"]) == ("Asia/Tokyo", "two\n", "number", True)
    assert "modified:   file" in result["status"]
    assert "42" in result["sum"]
    assert result["image"] == ["image/png", "iVBORw0K"]
    assert result["found"] == "mcp.git.git_status"
    assert capfd.readouterr() == ("", "")


async def test_what_a_server_calls_destructive_asks_and_is_not_done_where_nobody_is(
    opened: Callable[..., Harness],
) -> None:
    script = "return tools.mcp.git.git_reset({ repo_path: context.workingDirectory })"
    async with opened("git") as harness:
        run = await harness.run(script)
        with harness.approvals.attach(decider := Deciding(harness, Choice.ALLOW)):
            allowed = await harness.run(script)

    assert run.error is not None
    assert run.error["code"] == "approval_unavailable"
    assert allowed.error is None, allowed.error
    (request,) = decider.seen
    assert (request.tool, request.arguments) == ("mcp.git.git_reset", {"repo_path": str(harness.workspace)})
    assert "the server says: it may destroy" in request.classification.reasons


ELICIT = "return (await tools.mcp.everything.trigger_elicitation_request()).content.map((block) => block.text).join()"


@pytest.mark.parametrize(
    ("choice", "arguments", "told"),
    [(Choice.EDIT, {"name": "Ada"}, "Ada"), (Choice.DENY, None, "declined")],
    ids=["filled in", "declined"],
)
async def test_a_question_of_a_server_goes_to_whoever_decides(
    opened: Callable[..., Harness], choice: Choice, arguments: Any, told: str
) -> None:
    async with opened("everything") as harness:
        with harness.approvals.attach(decider := Deciding(harness, choice, arguments)):
            run = await harness.run(ELICIT)

    (request,) = decider.seen
    assert request.extra["question"]["schema"]["type"] == "object"
    assert told in str(run.result), run.error


async def test_a_question_that_is_denied_and_stopped_ends_the_call_and_its_run(opened: Callable[..., Harness]) -> None:
    async with opened("everything") as harness:
        with harness.approvals.attach(Deciding(harness, Choice.DENY_AND_STOP, None)):
            run = await harness.run(f"try {{ {ELICIT} }} catch {{}} return 'went on'")
            after = await harness.run("return (await tools.mcp.everything.echo({ message: 'still here' })).content")

    assert run.status is RunStatus.FAILED and run.error is not None
    assert run.error["details"]["ends_turn"] is True, run.error
    assert [o.status for o in run.operations] == [OperationStatus.DENIED]
    assert "still here" in str(after.result), "the server goes on"


async def test_progress_is_seen_and_a_stopped_call_leaves_the_server_to_the_next(
    opened: Callable[..., Harness],
) -> None:
    lines: list[str] = []
    stop = anyio.CancelScope()

    def hear(event: Any) -> None:
        if isinstance(event, OperationOutputDelta) and event.stream == "progress":
            lines.append(event.text)
            stop.cancel()

    async with opened("everything") as harness:
        with harness.listening(hear), stop:
            await harness.run(
                "return tools.mcp.everything.trigger_long_running_operation({ duration: 300, steps: 600 })"
            )
        after = await harness.run('return (await tools.mcp.everything.echo({ message: "still here" })).content[0].text')

    assert lines[0].startswith("1/600")
    assert "still here" in str(after.result), after.error


async def test_a_server_that_was_killed_is_there_again_for_the_next_call(opened: Callable[..., Harness]) -> None:
    script = 'return (await tools.mcp.time.get_current_time({ timezone: "UTC" })).structuredContent.timezone'
    async with opened("time") as harness:
        assert (await harness.run(script)).result == "UTC"
        (server,) = [p for p in psutil.Process().children(recursive=True) if "mcp_server_time" in p.cmdline()]
        os.kill(server.pid, signal.SIGKILL)
        with anyio.fail_after(10):
            await anyio.to_thread.run_sync(server.wait)

        assert (await harness.run(script)).result == "UTC"
