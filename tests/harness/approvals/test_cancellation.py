"""Cancellation at every wait of asking, deciding and writing: nothing hangs, and nobody hears two truths."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anyio
import pytest
from tests.harness.approvals.cancelling import cancelled_at
from tests.harness.approvals.parts import Person, Scene, request, until
from tests.harness.approvals.test_bridge import Asking, doubled
from tests.harness.journal.samples import call, run

from toolscript.approvals.client import connect
from toolscript.approvals.request import Choice, Decision
from toolscript.approvals.socket import OwnerSocket
from toolscript.errors import AlreadyDecided, UnknownApproval
from toolscript.journal.reader import records
from toolscript.journal.records import DecisionRecord
from toolscript.journal.state import state_dir
from toolscript.journal.writer import DiskJournal

pytestmark = pytest.mark.anyio
EDIT = Decision(choice=Choice.EDIT, by="widget", arguments={"command": ["ls"]})
MOST_WAITS = 60


def disk(scene: Scene, directory: Path) -> DiskJournal:
    scene.journal = journal = DiskJournal(directory / "run-1.jsonl")  # type: ignore[assignment]
    journal.write(run())
    return journal


async def clicked_while(scene: Scene, asked_id: str) -> Decision | str:
    """Click as soon as the request is there; what the clicker hears in the end."""
    await until(lambda: bool(scene.bridge.pending) or asked_id in scene.bridge._decided)
    try:
        return await scene.bridge.decide(asked_id, EDIT)
    except AlreadyDecided as late:
        return late.decision
    except UnknownApproval:
        return "unknown"


async def asked_and_cancelled(directory: Path, wait: int) -> bool:
    """Ask, click, and cancel the asking task at one wait; False once there are fewer waits than that."""
    scene = Scene()
    journal = disk(scene, directory)
    asked = request()
    heard: list[Decision | str] = []

    async def click() -> None:
        heard.append(await clicked_while(scene, asked.approval_id))

    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            group.start_soon(click)
            attempt = await cancelled_at(wait, scene.ask(asked, validate=doubled))
            if attempt.cancelled and not scene.events:
                group.cancel_scope.cancel()  # it never was asked
        assert scene.bridge.pending == ()
    journal.close()
    decisions = [r.decision for r in records(journal.path) if isinstance(r, DecisionRecord)]
    if attempt.cancelled:
        assert heard in ([], ["withdrawn"])
        assert decisions in ([], ["withdrawn"], ["edit", "withdrawn"])
    else:
        assert heard == [attempt.result] and decisions == ["edit"]
    assert [type(event).__name__ for event in scene.events] in ([], ["ApprovalRequested", "ApprovalResolved"])
    return attempt.waits >= wait


async def test_the_asking_task_is_cancelled_at_every_wait(tmp_path: Path) -> None:
    for wait in range(1, MOST_WAITS):
        (tmp_path / str(wait)).mkdir()
        if not await asked_and_cancelled(tmp_path / str(wait), wait):
            return
    pytest.fail("asking never ended")


async def decided_and_cancelled(directory: Path, wait: int) -> bool:
    """Ask, and cancel the deciding task at one wait; the request is settled by it or by the next."""
    scene = Scene()
    journal = disk(scene, directory)
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request(), validate=doubled).open()
            asked_id = asking.asked.approval_id
            attempt = await cancelled_at(wait, scene.bridge.decide(asked_id, EDIT))
            await anyio.wait_all_tasks_blocked()
            deny = Decision(choice=Choice.DENY, by="somebody else")
            outcome = (await scene.bridge.decide_all(deny, [asked_id]))[asked_id]
            await asking.ended.wait()
    journal.close()
    assert asking.decision is not None
    first = "deny" if isinstance(outcome, Decision) else "edit"
    assert asking.decision.choice == first
    assert [r.decision for r in records(journal.path) if isinstance(r, DecisionRecord)] == [first]
    return attempt.waits >= wait


async def test_the_deciding_task_is_cancelled_at_every_wait(tmp_path: Path) -> None:
    for wait in range(1, MOST_WAITS):
        (tmp_path / str(wait)).mkdir()
        if not await decided_and_cancelled(tmp_path / str(wait), wait):
            return
    pytest.fail("deciding never ended")


async def test_a_sync_is_cancelled_at_every_wait_and_the_next_still_makes_everything_durable(tmp_path: Path) -> None:
    for wait in range(1, MOST_WAITS):
        journal = DiskJournal(tmp_path / f"run-{wait}.jsonl")
        journal.write(run())
        attempt = await cancelled_at(wait, journal.sync())
        journal.write(call())
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(journal.sync)
        journal.close()
        assert len(list(records(journal.path))) == 2
        if attempt.waits < wait:
            return
    pytest.fail("syncing never ended")


def leftovers() -> tuple[int, int]:
    return len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks())


async def test_a_client_is_cancelled_at_every_wait_and_the_owner_keeps_nothing_of_it(tmp_path: Path) -> None:
    state = state_dir("/w", {"XDG_STATE_HOME": str(tmp_path)})

    async def visit() -> None:
        async with connect(state) as client:
            await client.pending()
            await client.decide_all(Choice.DENY)

    async with OwnerSocket(Scene().bridge, state):
        await anyio.wait_all_tasks_blocked()
        before = leftovers()
        for wait in range(1, MOST_WAITS):
            attempt = await cancelled_at(wait, visit())
            await until(lambda: leftovers() == before)
            if attempt.waits < wait:
                return
    pytest.fail("the visit never ended")


async def test_an_owner_is_cancelled_at_every_wait_and_leaves_nothing(tmp_path: Path) -> None:
    state = state_dir("/w", {"XDG_STATE_HOME": str(tmp_path)})

    async def open_and_close() -> None:
        async with OwnerSocket(Scene().bridge, state):
            await anyio.lowlevel.checkpoint()

    before = leftovers()
    for wait in range(1, MOST_WAITS):
        attempt = await cancelled_at(wait, open_and_close())
        assert list((state / "owners").iterdir()) == []
        assert leftovers() == before
        if attempt.waits < wait:
            return
    pytest.fail("the owner never ended")
