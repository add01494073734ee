from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest
from tests.harness.approvals.parts import Person, Scene, command, request

from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.approvals.ways import NOTEBOOK
from toolscript.errors import (
    AlreadyDecided,
    ApprovalUnavailable,
    DecisionError,
    InvalidArguments,
    JournalError,
    Json,
    UnknownApproval,
)
from toolscript.events import ApprovalRequested, ApprovalResolved
from toolscript.journal.records import AskRecord, DecisionRecord, MemoryJournal
from toolscript.registry.classification import Danger

pytestmark = pytest.mark.anyio

ALLOW = Decision(choice=Choice.ALLOW, by="widget")
DENY = Decision(choice=Choice.DENY, by="terminal", reason="not today")


class Asking:
    """Asks in a task of its own; ``shown`` when a person sees it."""

    def __init__(self, scene: Scene, group: Any, asked: ApprovalRequest, **more: Any) -> None:
        self.scene, self.asked, self.more = scene, asked, more
        self.decision: Decision | None = None
        self.error: Exception | None = None
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()
        group.start_soon(self._run)

    async def _run(self) -> None:
        try:
            with self.scope:
                self.decision = await self.scene.ask(self.asked, **self.more)
        except Exception as error:
            self.error = error
        finally:
            self.ended.set()

    async def open(self) -> Asking:
        while self.asked.approval_id not in {r.approval_id for r in self.scene.bridge.pending}:
            await anyio.lowlevel.checkpoint()
        return self


async def test_nobody_to_ask_is_refused_at_once_saying_how_to_allow_it(scene: Scene) -> None:
    with pytest.raises(ApprovalUnavailable) as refused:
        await scene.ask(request(why="it reaches the network"))
    assert "run it at a terminal" in refused.value.message
    assert '[[rules]] tool = "exec", verdict = "allow"' in refused.value.message
    assert "it reaches the network" in refused.value.message
    assert "%toolscript" not in refused.value.message
    assert scene.events == [] and scene.journal.records == []


async def test_a_refusal_in_a_notebook_names_the_notebooks_ways(scene: Scene) -> None:
    scene.bridge.ways = NOTEBOOK
    with pytest.raises(ApprovalUnavailable) as refused:
        await scene.ask(request())
    assert "`%toolscript allow exec …`" in refused.value.message
    assert "`%toolscript answer allow`" in refused.value.message
    assert "terminal" not in refused.value.message


async def test_a_refusal_of_a_dangerous_call_gives_the_rule_that_covers_it(scene: Scene) -> None:
    asked = request(arguments={"command": ["rm", "-f", "a"]}, classification=command(Danger.DANGEROUS))
    with pytest.raises(ApprovalUnavailable) as refused:
        await scene.ask(asked)
    assert "a rule with exactly its arguments" in refused.value.message
    assert 'arguments = {command = ["rm", "-f", "a"]}' in refused.value.message


@pytest.mark.parametrize("choice", [Choice.ALLOW, Choice.ALLOW_CONVERSATION, Choice.DENY, Choice.DENY_AND_STOP])
async def test_the_answer_of_a_decider_comes_back_to_the_call(scene: Scene, choice: Choice) -> None:
    person = Person()
    with scene.bridge.attach(person):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            proposed = Decision(choice=choice, by="widget", reason="so it is")
            answered = await scene.bridge.decide(asking.asked.approval_id, proposed)
            await asking.ended.wait()
    assert asking.decision == answered
    assert (answered.choice, answered.by, answered.reason) == (choice, "widget", "so it is")
    assert person.withdrawn == [(asking.asked.approval_id, answered)]
    assert scene.bridge.pending == ()


async def test_events_and_records_tell_what_was_asked_and_answered(scene: Scene) -> None:
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request(expires=4e9)).open()
            await scene.bridge.decide(asking.asked.approval_id, DENY)
    asked, resolved = scene.events
    assert isinstance(asked, ApprovalRequested) and isinstance(resolved, ApprovalResolved)
    assert asked.request["arguments"] == {"command": ["make"]}
    assert (resolved.decision, resolved.by, resolved.reason) == ("deny", "terminal", "not today")
    ask, decision = scene.journal.records
    assert isinstance(ask, AskRecord) and isinstance(decision, DecisionRecord)
    assert (ask.approval_id, ask.digest, ask.expires) == (asking.asked.approval_id, asking.asked.digest, 4e9)
    assert ask.request == asked.request
    assert (decision.approval_id, decision.decision, decision.by) == (ask.approval_id, "deny", "terminal")
    assert decision.time > 0


class SlowDisk(MemoryJournal):
    """A journal whose fsync ends when it is told to, or fails."""

    def __init__(self) -> None:
        super().__init__()
        self.syncing = anyio.Event()
        self.release = anyio.Event()
        self.broken = False

    async def sync(self) -> None:
        self.syncing.set()
        await self.release.wait()
        if self.broken:
            raise JournalError("the disk is full")


async def test_a_decision_is_on_disk_before_anybody_hears_of_it(scene: Scene) -> None:
    scene.journal = disk = SlowDisk()
    acknowledged = anyio.Event()

    async def decide() -> None:
        await scene.bridge.decide(asking.asked.approval_id, ALLOW)
        acknowledged.set()

    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            group.start_soon(decide)
            await disk.syncing.wait()
            await anyio.wait_all_tasks_blocked()
            assert isinstance(disk.records[-1], DecisionRecord)
            assert not acknowledged.is_set() and not asking.ended.is_set()
            assert not any(isinstance(event, ApprovalResolved) for event in scene.events)
            disk.release.set()
            await acknowledged.wait()
            await asking.ended.wait()
    assert asking.decision is not None and asking.decision.choice is Choice.ALLOW


async def test_a_decision_that_cannot_be_written_lets_nothing_run_and_says_so_to_both(scene: Scene) -> None:
    scene.journal = disk = SlowDisk()
    disk.broken = True
    disk.release.set()
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            with pytest.raises(JournalError, match="the disk is full"):
                await scene.bridge.decide(asking.asked.approval_id, ALLOW)
            await asking.ended.wait()
    assert isinstance(asking.error, JournalError)
    assert (scene.events[-1].decision, scene.events[-1].reason) == ("withdrawn", "the disk is full")


async def test_the_first_of_two_deciders_wins_and_the_other_learns_who(scene: Scene) -> None:
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            first = scene.bridge.decide_threadsafe(asking.asked.approval_id, ALLOW)
            second = scene.bridge.decide_threadsafe(asking.asked.approval_id, DENY)
            await asking.ended.wait()
    assert first.result(0).choice is Choice.ALLOW
    with pytest.raises(AlreadyDecided) as late:
        second.result(0)
    assert (late.value.by, late.value.decision) == ("widget", "allow")
    assert sum(isinstance(record, DecisionRecord) for record in scene.journal.records) == 1


async def test_a_second_click_after_the_decision_does_nothing(scene: Scene) -> None:
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            await scene.bridge.decide(asking.asked.approval_id, DENY)
        with pytest.raises(AlreadyDecided, match="deny by terminal"):
            await scene.bridge.decide(asking.asked.approval_id, ALLOW)
    assert asking.decision is not None and asking.decision.choice is Choice.DENY


async def test_an_id_that_never_waited_here_is_unknown(scene: Scene) -> None:
    with pytest.raises(UnknownApproval, match="approval-of-yesterday"):
        await scene.bridge.decide("approval-of-yesterday", ALLOW)


async def test_an_id_is_never_asked_twice(scene: Scene) -> None:
    again = request()
    scene.bridge.answer_next(Choice.ALLOW)
    await scene.ask(again)
    scene.bridge.answer_next(Choice.ALLOW)
    with pytest.raises(ValueError, match="used before"):
        await scene.ask(again)


async def test_a_request_that_nobody_answers_expires(scene: Scene) -> None:
    person = Person()
    with scene.bridge.attach(person):
        decision = await scene.ask(request(created=1.0, expires=2.0))
        assert decision.choice is Choice.EXPIRE
        with pytest.raises(AlreadyDecided, match="expire"):
            await scene.bridge.decide(person.shown[0].approval_id, ALLOW)
    assert scene.events[-1].decision == "expire"
    assert scene.journal.records[-1].decision == "expire"  # type: ignore[union-attr]


async def test_a_request_without_an_expiry_is_given_one(scene: Scene) -> None:
    scene.bridge.answer_next(Choice.ALLOW)
    await scene.ask(request())
    ask = scene.journal.records[0]
    assert isinstance(ask, AskRecord)
    assert ask.expires - ask.request["created"] == pytest.approx(900)


async def test_the_end_of_the_asking_task_withdraws_the_request_everywhere(scene: Scene) -> None:
    person = Person()
    with scene.bridge.attach(person):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            asking.scope.cancel()
            await asking.ended.wait()
        assert person.withdrawn[0][1].choice is Choice.WITHDRAWN
        assert scene.events[-1].decision == "withdrawn"
        assert scene.bridge.pending == ()
        with pytest.raises(AlreadyDecided, match="withdrawn"):
            await scene.bridge.decide(asking.asked.approval_id, ALLOW)


async def test_an_allow_that_was_not_durable_when_the_run_ended_is_taken_back_in_the_journal(scene: Scene) -> None:
    scene.journal = disk = SlowDisk()
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            clicked = scene.bridge.decide_threadsafe(asking.asked.approval_id, ALLOW)
            await disk.syncing.wait()
            asking.scope.cancel()
            await asking.ended.wait()
    assert asking.decision is None
    assert [r.decision for r in disk.records if isinstance(r, DecisionRecord)] == ["allow", "withdrawn"]
    with pytest.raises(AlreadyDecided, match="withdrawn"):
        clicked.result(0)


async def test_an_answer_given_ahead_is_used_once(scene: Scene) -> None:
    scene.bridge.answer_next(Choice.ALLOW, "I know what it does")
    assert scene.bridge.can_ask
    decision = await scene.ask(request())
    assert (decision.choice, decision.by, decision.reason) == (Choice.ALLOW, "notebook", "I know what it does")
    assert scene.journal.records[-1].by == "notebook"  # type: ignore[union-attr]
    assert not scene.bridge.can_ask
    with pytest.raises(ApprovalUnavailable):
        await scene.ask(request())


async def test_an_answer_given_ahead_is_for_runs_that_begin_later(scene: Scene) -> None:
    scene.bridge.answer_next(Choice.ALLOW)
    given = scene.bridge.answers[0].time
    with pytest.raises(ApprovalUnavailable):
        await scene.ask(request(run_began=given - 1))
    assert [a.choice for a in scene.bridge.answers] == [Choice.ALLOW]
    assert (await scene.ask(request(run_began=given + 1))).choice is Choice.ALLOW
    assert scene.bridge.answers == ()


async def test_only_plain_answers_can_be_given_ahead(scene: Scene) -> None:
    with pytest.raises(ValueError, match="cannot be answered ahead"):
        scene.bridge.answer_next(Choice.EDIT)


async def test_answers_given_ahead_can_be_dropped(scene: Scene) -> None:
    scene.bridge.answer_next(Choice.ALLOW)
    assert scene.bridge.forget_answers() == 1
    assert not scene.bridge.can_ask


async def doubled(arguments: Json) -> Json:
    if not isinstance(arguments, dict) or "command" not in arguments:
        raise InvalidArguments("command is missing", tool="exec")
    return arguments | {"cwd": ""}


async def test_edited_arguments_are_validated_and_come_back_after_defaults(scene: Scene) -> None:
    edit = Decision(choice=Choice.EDIT, by="widget", arguments={"command": ["make", "-n"]})
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request(), validate=doubled).open()
            decided = await scene.bridge.decide(asking.asked.approval_id, edit)
    assert decided.arguments == {"command": ["make", "-n"], "cwd": ""}
    assert asking.decision == decided
    assert scene.journal.records[-1].arguments == decided.arguments  # type: ignore[union-attr]


async def test_a_bad_edit_is_told_to_its_decider_and_the_request_waits_on(scene: Scene) -> None:
    edit = Decision(choice=Choice.EDIT, by="widget", arguments={"comand": []})
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request(), validate=doubled).open()
            with pytest.raises(InvalidArguments, match="command is missing"):
                await scene.bridge.decide(asking.asked.approval_id, edit)
            assert len(scene.bridge.pending) == 1
            await scene.bridge.decide(asking.asked.approval_id, ALLOW)
    assert asking.decision is not None and asking.decision.choice is Choice.ALLOW


@pytest.mark.parametrize("choice", [Choice.EXPIRE, Choice.WITHDRAWN, Choice.EDIT, Choice.ALLOW_CONVERSATION])
async def test_answers_that_a_request_does_not_take_are_refused(scene: Scene, choice: Choice) -> None:
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request(classification=command())).open()
            with pytest.raises(DecisionError):
                await scene.bridge.decide(asking.asked.approval_id, Decision(choice=choice, by="widget"))
            await scene.bridge.decide(asking.asked.approval_id, DENY)


async def test_several_requests_are_answered_in_any_order_or_together(scene: Scene) -> None:
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            first, second, third = [await Asking(scene, group, request()).open() for _ in range(3)]
            assert [r.approval_id for r in scene.bridge.pending] == [
                a.asked.approval_id for a in (first, second, third)
            ]
            await scene.bridge.decide(second.asked.approval_id, ALLOW)
            outcomes = await scene.bridge.decide_all(DENY)
    assert set(outcomes) == {first.asked.approval_id, third.asked.approval_id}
    decisions = [asking.decision.choice for asking in (first, second, third) if asking.decision]
    assert decisions == [Choice.DENY, Choice.ALLOW, Choice.DENY]


async def test_answering_a_list_says_of_each_what_became_of_it(scene: Scene) -> None:
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            outcomes = await scene.bridge.decide_all(ALLOW, [asking.asked.approval_id, "gone"])
    assert isinstance(outcomes["gone"], UnknownApproval)
    assert isinstance(outcomes[asking.asked.approval_id], Decision)


async def test_a_click_from_another_thread_counts(scene: Scene) -> None:
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            results: list[Decision] = []

            def click() -> None:
                results.append(scene.bridge.decide_threadsafe(asking.asked.approval_id, ALLOW).result(10))

            thread = threading.Thread(target=click)
            thread.start()
            await asking.ended.wait()
            await anyio.to_thread.run_sync(thread.join)
    assert asking.decision == results[0]


async def test_a_decider_that_gives_up_before_its_answer_counted_changes_nothing(scene: Scene) -> None:
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            abandoned = scene.bridge.decide_threadsafe(asking.asked.approval_id, ALLOW)
            assert abandoned.cancel()
            await scene.bridge.decide(asking.asked.approval_id, DENY)
    assert asking.decision is not None and asking.decision.choice is Choice.DENY


async def test_a_decider_that_gives_up_after_its_answer_was_taken_changes_nothing_either(scene: Scene) -> None:
    scene.journal = disk = SlowDisk()
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            with anyio.CancelScope() as deciding:

                async def give_up() -> None:
                    await disk.syncing.wait()
                    deciding.cancel()

                group.start_soon(give_up)
                await scene.bridge.decide(asking.asked.approval_id, ALLOW)
            disk.release.set()
            await asking.ended.wait()
    assert asking.decision is not None and asking.decision.choice is Choice.ALLOW


async def test_a_face_that_comes_late_sees_what_already_waits(scene: Scene) -> None:
    late = Person("second tab")
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            with scene.bridge.attach(late):
                assert [r.approval_id for r in late.shown] == [asking.asked.approval_id]
                await scene.bridge.decide(asking.asked.approval_id, ALLOW)
                await asking.ended.wait()
    assert len(late.withdrawn) == 1


class Broken(Person):
    def show(self, request: ApprovalRequest) -> None:
        raise RuntimeError("no such widget")

    def withdraw(self, approval_id: str, decision: Decision) -> None:
        raise RuntimeError("no such widget")


async def test_a_broken_face_does_not_take_consent_from_the_others(scene: Scene) -> None:
    person = Person()
    with scene.bridge.attach(Broken()), scene.bridge.attach(person):
        async with anyio.create_task_group() as group:
            asking = await Asking(scene, group, request()).open()
            await scene.bridge.decide(asking.asked.approval_id, ALLOW)
    assert asking.decision is not None and len(person.withdrawn) == 1


async def test_where_every_face_is_broken_nobody_can_be_asked(scene: Scene) -> None:
    with scene.bridge.attach(Broken()), pytest.raises(ApprovalUnavailable):
        await scene.ask(request())
    assert scene.bridge.pending == ()


class Elsewhere(Person):
    def show(self, request: ApprovalRequest) -> bool:
        return False


async def test_a_face_that_a_request_is_not_for_does_not_count_as_asked(scene: Scene) -> None:
    with scene.bridge.attach(Elsewhere()), pytest.raises(ApprovalUnavailable):
        await scene.ask(request())
    assert scene.bridge.pending == ()


async def test_there_is_a_bound_to_what_may_wait(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolscript.approvals.bridge.MAX_PENDING", 1)
    with scene.bridge.attach(Person()):
        async with anyio.create_task_group() as group:
            await Asking(scene, group, request()).open()
            with pytest.raises(ApprovalUnavailable, match="wait already"):
                await scene.ask(request())
            await scene.bridge.decide_all(DENY)
