"""What a person says to a structured call that asks: the same answers as to a script's, with the same effect."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest
from anyio.abc import TaskGroup
from tests.harness.models.wires import WIRES, Asked, Text
from tests.harness.talking import talking

from toolscript.approvals.bridge import Bridge
from toolscript.approvals.request import Choice, Decision
from toolscript.events import OperationStatus

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("wire", WIRES, ids=repr)]

ASKED = Asked("exec", '{"command": ["rm", "-rf", "x"]}')


@dataclass
class Person:
    """A decider that gives every request the same answer as soon as it sees it."""

    bridge: Bridge
    decision: Decision
    group: TaskGroup
    name: str = "me"

    def show(self, request):
        self.group.start_soon(self.bridge.decide, request.approval_id, self.decision)

    def withdraw(self, approval_id, decision):
        pass


@asynccontextmanager
async def deciding(harness, choice, reason=""):
    """Answer every request alike while the block runs."""
    async with anyio.create_task_group() as group:
        person = Person(harness.approvals, Decision(choice=choice, by="me", reason=reason), group)
        with harness.approvals.attach(person):
            yield


@pytest.fixture
def target(workplace):
    (workplace / "work" / "x").mkdir()
    return workplace / "work" / "x"


async def test_an_allowed_call_is_carried_out(workplace, wire, target):
    async with talking(workplace, (ASKED,), Text("Gone."), wire=wire, rules=()) as (harness, _):
        async with deciding(harness, Choice.ALLOW):
            turn = await harness.turn("go")

    assert (turn.status, turn.text) == ("completed", "Gone.")
    assert not target.exists()


async def test_a_denied_call_is_an_error_that_the_model_reads(workplace, wire, target):
    async with talking(workplace, (ASKED,), Text("So be it."), wire=wire, rules=()) as (harness, served):
        async with deciding(harness, Choice.DENY, "I need it"):
            turn = await harness.turn("go")

    assert (turn.status, turn.text) == ("completed", "So be it.")
    assert target.exists()
    assert "I need it" in str(served.requests[1])
    assert [e.status for e in turn.events if e.type == "operation_finished"] == [OperationStatus.DENIED]


async def test_deny_and_end_the_turn_ends_the_turn(workplace, wire, target):
    async with talking(workplace, (ASKED,), Text("Something else."), wire=wire, rules=()) as (harness, served):
        async with deciding(harness, Choice.DENY_AND_STOP):
            turn = await harness.turn("go")
        after = await harness.turn("and now?")

    assert (turn.status, turn.reason, turn.steps) == ("stopped", "denied_and_stopped", 1)
    assert target.exists()
    assert (after.status, after.text) == ("completed", "Something else.")
    assert len(served.requests) == 2
