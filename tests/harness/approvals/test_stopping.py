"""Deny and end the turn: whatever asked, a script, a structured call or a task, ends all that it belongs to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.harness.approvals.parts import Person, until

from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.events import OperationStatus, TaskFinished
from toolscript.harness import Harness
from toolscript.models.adapter import Finished, FunctionCallDone
from toolscript.testing.scripted import ScriptedModel

pytestmark = pytest.mark.anyio


class Stopping(Person):
    """Somebody who denies the first request, wants the turn to end, and answers nothing more."""

    def __init__(self, harness: Harness) -> None:
        super().__init__("person")
        self._harness = harness

    def show(self, request: ApprovalRequest) -> None:
        super().show(request)
        if len(self.shown) == 1:
            decision = Decision(choice=Choice.DENY_AND_STOP, by="person", reason="enough")
            self._harness.approvals.decide_threadsafe(request.approval_id, decision)


@asynccontextmanager
async def talking(workspace: Path, monkeypatch: pytest.MonkeyPatch, *steps: Any) -> AsyncIterator[Any]:
    (workspace / "a").write_text("a")
    model = ScriptedModel(steps)
    monkeypatch.setattr(Harness, "_adapter", lambda self, config: model)
    async with Harness(workspace) as harness:
        person = Stopping(harness)
        with harness.approvals.attach(person):
            yield harness, person, model


def call(number: int, command: str) -> FunctionCallDone:
    return FunctionCallDone(call_id=str(number), name="shell", arguments=json.dumps({"command": command}))


async def test_a_structured_call_ends_the_turn_and_the_calls_beside_it(tmp_path, monkeypatch):
    reply = [call(1, "rm -f a"), call(2, "sleep 60"), Finished(reason="tool_calls")]
    async with talking(tmp_path, monkeypatch, reply) as (harness, _, model):
        with anyio.fail_after(30):
            turn = await harness.turn("go")

    assert (turn.status, turn.reason, len(model.requests)) == ("stopped", "denied_and_stopped", 1)
    assert (tmp_path / "a").exists()


async def test_a_structured_call_asks_like_a_call_of_a_script(tmp_path, monkeypatch):
    reply = [call(1, "rm -f a"), Finished(reason="tool_calls")]
    async with talking(tmp_path, monkeypatch, reply, "done") as (harness, person, _):
        monkeypatch.setattr(person, "show", person.shown.append)
        async with anyio.create_task_group() as group:
            group.start_soon(harness.turn, "go")
            await until(lambda: bool(person.shown))
            assert (tmp_path / "a").exists()
            await harness.approvals.decide(person.shown[0].approval_id, Decision(choice=Choice.ALLOW, by="person"))

    assert not (tmp_path / "a").exists()


async def test_a_task_whose_script_has_ended_ends_the_turn(tmp_path, monkeypatch):
    first = "<tool-calls>\nstore.set('task', tools.spawn.shell({command: 'rm -f a'}).id); return 'on'\n</tool-calls>"
    second = "<tool-calls>\nconst task = await tools.spawn.get(store.get('task')); await task.done.catch(() => 1)\n</tool-calls>"
    async with talking(tmp_path, monkeypatch, first, second) as (harness, _, _model):
        with anyio.fail_after(30):
            turn = await harness.turn("go")

    assert (turn.status, turn.reason) == ("stopped", "denied_and_stopped")
    assert (tmp_path / "a").exists()


async def test_a_task_ends_the_other_tasks_of_its_run(tmp_path, monkeypatch):
    source = """
        const slow = tools.spawn.exec({command: ['sleep', '60'], scope: 'conversation'});
        tools.spawn.shell({command: 'rm -f a', scope: 'conversation'});
        return slow.id"""
    async with talking(tmp_path, monkeypatch) as (harness, _, _model):
        ended: list[TaskFinished] = []
        with harness.listening(lambda e: ended.append(e) if isinstance(e, TaskFinished) else None):
            await harness.run(source)
            await until(lambda: len(ended) == 2)

    assert sorted(e.status for e in ended) == [OperationStatus.CANCELLED, OperationStatus.DENIED]
    assert (tmp_path / "a").exists()
