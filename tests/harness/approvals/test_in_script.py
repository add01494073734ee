"""What a script can and cannot do about a pause: real scripts in real workers, real files, a person who waits."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.harness.approvals.parts import Person, until

from toolscript.approvals.request import ApprovalRequest, Choice, Decision, Policy
from toolscript.approvals.rules import Rule
from toolscript.errors import AlreadyDecided, ApprovalUnavailable
from toolscript.events import ApprovalResolved, OperationFinished, RunStatus
from toolscript.harness import Harness
from toolscript.journal.records import BeginRecord, DecisionRecord, MemoryJournal
from toolscript.limits import Limits
from toolscript.run import Run

pytestmark = pytest.mark.anyio


class Desk(Person):
    """A person in front of a harness, who looks at what waits and answers when told to."""

    def __init__(self, workspace: Path, **options: Any) -> None:
        super().__init__()
        self.journals: list[MemoryJournal] = []
        self.harness = Harness(workspace, journals=self._journal, **options)
        self.workspace = workspace
        self.events: list[Any] = []

    def _journal(self, run_id: str) -> MemoryJournal:
        self.journals.append(MemoryJournal())
        return self.journals[-1]

    def exists(self, name: str) -> bool:
        return (self.workspace / name).exists()

    async def waiting(self, count: int = 1) -> tuple[ApprovalRequest, ...]:
        """The requests that wait, once there are as many."""
        await until(lambda: len(self.harness.approvals.pending) >= count)
        return self.harness.approvals.pending

    async def answer(self, choice: Choice, name: str = "", **more: Any) -> Decision:
        """Answer the request that mentions ``name``."""
        await until(lambda: any(name in str(r.arguments) for r in self.harness.approvals.pending))
        asked = next(r for r in self.harness.approvals.pending if name in str(r.arguments))
        return await self.harness.approvals.decide(asked.approval_id, Decision(choice=choice, by="desk", **more))


@asynccontextmanager
async def at_desk(workspace: Path, **options: Any) -> AsyncIterator[Desk]:
    for name in "abc":
        (workspace / name).write_text(name)
    desk = Desk(workspace, **options)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(desk.harness)
        stack.enter_context(desk.harness.approvals.attach(desk))
        stack.enter_context(desk.harness.listening(desk.events.append))
        yield desk


class Running:
    """A script that runs while the test goes on."""

    def __init__(self, desk: Desk, group: Any, source: str, **options: Any) -> None:
        self.desk, self.source, self.options = desk, source, options
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()
        self.run: Run | None = None
        group.start_soon(self._go)

    async def _go(self) -> None:
        try:
            with self.scope:
                self.run = await self.desk.harness.run(self.source, **self.options)
        finally:
            self.ended.set()

    async def result(self) -> Run:
        with anyio.fail_after(60):
            await self.ended.wait()
        assert self.run is not None
        return self.run


async def test_a_pause_cannot_be_caught_or_skipped(tmp_path: Path) -> None:
    source = """
        let seen = 'nothing';
        try { await shell('rm -f a'); seen = 'went on'; } catch (e) { seen = 'caught ' + e.code } finally { console.log('finally') }
        return seen"""
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, source)
        await desk.waiting()
        await anyio.wait_all_tasks_blocked()
        assert desk.exists("a") and not any(e.type == "script_log" for e in desk.events)
        await desk.answer(Choice.ALLOW)
        run = await running.result()
    assert (run.result, desk.exists("a")) == ("went on", False), run.error


async def test_a_denial_is_a_typed_error_that_the_script_can_handle(tmp_path: Path) -> None:
    source = """
        try { await shell('rm -f a') }
        catch (e) { return [e instanceof Error, e.code, e.tool, e.details.reason, e.details.by] }"""
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, source)
        await desk.answer(Choice.DENY, reason="I need that file")
        run = await running.result()
    assert run.result == [True, "approval_denied", "shell", "I need that file", "desk"], run.error
    assert desk.exists("a")


RACE = "const gone = shell('rm -f a'); const first = await Promise.race([gone, readFile('b')]);"


async def test_a_gated_call_that_lost_its_race_never_runs_once_its_run_has_ended(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        run = await desk.harness.run(f"{RACE} return first")
        (asked,) = desk.shown
        assert run.result == "b", run.error
        assert desk.harness.approvals.pending == ()
        with pytest.raises(AlreadyDecided, match="withdrawn"):
            await desk.harness.approvals.decide(asked.approval_id, Decision(choice=Choice.ALLOW, by="late"))
        assert desk.exists("a")
    assert [e.decision for e in desk.events if isinstance(e, ApprovalResolved)] == ["withdrawn"]


async def test_a_gated_call_that_lost_its_race_runs_if_it_is_allowed_while_its_run_is_alive(tmp_path: Path) -> None:
    source = f"{RACE} console.log('on'); await gone; return first"
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, source)
        await until(lambda: any(e.type == "script_log" for e in desk.events))
        assert desk.exists("a")
        await desk.answer(Choice.ALLOW)
        run = await running.result()
    assert (run.result, desk.exists("a")) == ("b", False), run.error


ORDERS = [
    (order, choices)
    for order in itertools.permutations("abc")
    for choices in ((Choice.ALLOW,) * 3, (Choice.ALLOW, Choice.DENY, Choice.ALLOW))
]


async def test_three_gated_calls_are_answered_in_any_order(tmp_path: Path) -> None:
    source = """
        const calls = ['a', 'b', 'c'].map((name) => shell('rm -f ' + name));
        return (await Promise.allSettled(calls)).map((r) => r.status === 'fulfilled' ? r.value.exitCode : r.reason.code)"""
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        for order, choices in ORDERS:
            for name in "abc":
                (tmp_path / name).write_text(name)
            running = Running(desk, group, source)
            await desk.waiting(3)
            for name, choice in zip(order, choices, strict=True):
                assert desk.exists(name)
                await desk.answer(choice, f"rm -f {name}")
            run = await running.result()
            said = dict(zip(order, choices, strict=True))
            expected = [0 if said[name] is Choice.ALLOW else "approval_denied" for name in "abc"]
            assert run.result == expected, (order, run.error)
            assert [desk.exists(name) for name in "abc"] == [said[name] is Choice.DENY for name in "abc"]


async def test_nothing_begins_before_its_decision_is_written(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "await shell('rm -f a')")
        await desk.answer(Choice.ALLOW)
        await running.result()
    kinds = [r for r in desk.journals[0].records if isinstance(r, DecisionRecord | BeginRecord)]
    assert [type(r) for r in kinds] == [DecisionRecord, BeginRecord]


async def test_a_script_that_catches_denials_and_tries_again_is_stopped(tmp_path: Path) -> None:
    source = "for (;;) { try { await shell('rm -f a') } catch {} }"
    async with at_desk(tmp_path, limits=Limits(denials=4)) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, source)
        for _ in range(4):
            await desk.answer(Choice.DENY)
        run = await running.result()
    assert run.error is not None and run.error["code"] == "denial_limit"
    assert len(desk.shown) == 4 and desk.exists("a")


async def test_deny_and_end_the_turn_ends_the_run_with_everything_that_waits(tmp_path: Path) -> None:
    source = "await Promise.allSettled(['a', 'b'].map((n) => shell('rm -f ' + n))); for (;;) await sleep(1000)"
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, source)
        await desk.waiting(2)
        await desk.answer(Choice.DENY_AND_STOP, "rm -f a")
        run = await running.result()
    assert run.status is not RunStatus.COMPLETED
    assert desk.harness.approvals.pending == () and desk.exists("b")
    assert sorted(e.decision for e in desk.events if isinstance(e, ApprovalResolved)) == ["deny_and_stop", "withdrawn"]


async def test_a_pause_may_last_longer_than_every_limit(tmp_path: Path) -> None:
    limits = Limits(guest_seconds=0.5, wall_seconds=3, task_seconds=3)
    async with at_desk(tmp_path, limits=limits) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "return (await shell('rm -f a')).exitCode")
        await desk.waiting()
        await anyio.sleep(3.5)  # the pause itself is the subject
        await desk.answer(Choice.ALLOW)
        run = await running.result()
    assert (run.result, run.error) == (0, None)


async def test_a_run_that_is_aborted_while_it_waits_withdraws_its_request(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "await shell('rm -f a')")
        (asked,) = await desk.waiting()
        running.scope.cancel()
        await running.ended.wait()
        assert desk.withdrawn[0][1].choice is Choice.WITHDRAWN
        with pytest.raises(AlreadyDecided):
            await desk.harness.approvals.decide(asked.approval_id, Decision(choice=Choice.ALLOW, by="late"))
        assert desk.exists("a")
        assert (await desk.harness.run("return 1")).result == 1


# Case APR-16: the worker dies while the question stands there.
async def test_a_click_after_the_worker_died_runs_nothing(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "await shell('rm -f a')")
        (asked,) = await desk.waiting()
        for pid in desk.harness.pool.metrics()["pids"]:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: desk.harness.approvals.pending == (), seconds=30)
        with pytest.raises(AlreadyDecided, match="withdrawn"):
            await desk.harness.approvals.decide(asked.approval_id, Decision(choice=Choice.ALLOW, by="late"))
        run = await running.result()
        assert run.error is not None and run.error["code"] == "worker_crashed"
        assert desk.exists("a")
        assert (await desk.harness.run("return 1")).result == 1


# Cases APR-14, PRO-10 and BRI-07: what a realm can do to the arguments of a call.
async def test_what_is_shown_is_what_is_executed_whatever_the_arguments_do_when_they_are_read(tmp_path: Path) -> None:
    source = """
        let reads = 0;
        const names = ['rm -f b', 'rm -f a', 'rm -f c'];
        const call = shell(new Proxy({}, {
          ownKeys: () => ['command'],
          getOwnPropertyDescriptor: () => ({enumerable: true, configurable: true, value: names[0]}),
          get: (_, key) => key === 'command' ? names[Math.min(reads++, 2)] : undefined,
        }));
        return (await call).exitCode"""
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, source)
        (asked,) = await desk.waiting()
        shown = asked.arguments["command"]
        await desk.answer(Choice.ALLOW)
        run = await running.result()
    assert run.result == 0, run.error
    assert [name for name in "abc" if not desk.exists(name)] == [shown.removeprefix("rm -f ")]


async def test_no_property_of_the_realm_passes_for_consent(tmp_path: Path) -> None:
    source = """
        for (const name of ['approved', 'id', 'number', 'toJSON'])
          try { Object.defineProperty(Object.prototype, name, {get: () => true, configurable: true}) } catch {}
        return (await shell('rm -f a')).exitCode"""
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, source)
        await desk.waiting()
        assert desk.exists("a")
        await desk.answer(Choice.DENY)
        await running.result()
    assert desk.exists("a")


async def test_a_call_made_while_arguments_are_read_asks_like_any_other(tmp_path: Path) -> None:
    source = """
        const both = [];
        both.push(shell({get command() { both.push(shell('rm -f b')); return 'rm -f a' }}));
        return (await Promise.allSettled(both)).length"""
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, source)
        await desk.waiting(2)
        await desk.harness.approvals.decide_all(Decision(choice=Choice.DENY, by="desk"))
        run = await running.result()
    assert run.result == 2, run.error
    assert desk.exists("a") and desk.exists("b")


# Case APR-13: an approval of one run is worth nothing in another.
async def test_an_approval_is_for_one_call_of_one_run(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        first = Running(desk, group, "await shell('rm -f a')")
        (asked,) = await desk.waiting()
        await desk.answer(Choice.ALLOW)
        await first.result()
        again = Running(desk, group, "await shell('rm -f a')")
        (other,) = await desk.waiting()
        assert other.approval_id != asked.approval_id and other.digest != asked.digest
        with pytest.raises(AlreadyDecided):
            await desk.harness.approvals.decide(asked.approval_id, Decision(choice=Choice.ALLOW, by="replay"))
        await desk.answer(Choice.DENY)
        await again.result()


async def test_waiting_calls_hold_no_slot(tmp_path: Path) -> None:
    source = (
        "const gated = shell('rm -f a'); const text = await readFile('b'); console.log(text); await gated; return text"
    )
    async with at_desk(tmp_path, limits=Limits(in_flight=1)) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, source)
        await until(lambda: any(e.type == "script_log" for e in desk.events))
        await desk.answer(Choice.ALLOW)
        assert (await running.result()).result == "b"


async def test_allow_for_the_conversation_asks_once_and_can_be_revoked(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("x")
    (outside / "y").write_text("y")
    inside = tmp_path / "inside"
    inside.mkdir()
    source = f"return readFile({str(outside / 'x')!r})"
    async with at_desk(inside) as desk, anyio.create_task_group() as group:
        first = Running(desk, group, source)
        await desk.answer(Choice.ALLOW_CONVERSATION)
        assert (await first.result()).result == "x"
        assert (await desk.harness.run(source)).result == "x"
        assert len(desk.shown) == 1
        other = Running(desk, group, source.replace("x'", "y'"))
        await desk.answer(Choice.DENY)
        await other.result()
        (permission,) = desk.harness.permissions
        desk.harness.permissions.revoke(permission.id)
        last = Running(desk, group, source)
        await desk.answer(Choice.DENY)
        await last.result()
    assert len(desk.shown) == 3


async def test_edited_arguments_are_what_runs(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "return (await shell('rm -f a')).exitCode")
        await desk.answer(Choice.EDIT, arguments={"command": "rm -f b"})
        run = await running.result()
    assert (run.result, desk.exists("a"), desk.exists("b")) == (0, True, False), run.error
    (ran,) = run.operations
    assert (ran.arguments["command"], ran.asked_arguments["command"]) == ("rm -f b", "rm -f a")
    assert run.to_json()["operations"][0]["arguments"]["command"] == "rm -f b"
    # Whoever watches is told before it runs, and a log of finished calls alone tells it too.
    (resolved,) = (e for e in run.events if isinstance(e, ApprovalResolved))
    (finished,) = (e for e in run.events if isinstance(e, OperationFinished))
    assert resolved.arguments == finished.ran_with == ran.arguments


async def test_arguments_that_nobody_edited_are_told_once(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "return (await shell('rm -f a')).exitCode")
        await desk.answer(Choice.ALLOW)
        run = await running.result()
    assert run.operations[0].asked_arguments is None
    assert "asked_arguments" not in run.to_json()["operations"][0]


WRITE = "return await tools.writeFile({path: 'pyproject.toml', content: 'x'})"
EDITED = {"path": "pyproject.toml", "content": "edited"}


async def test_an_edit_of_what_was_shown_runs_without_another_question(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("old")
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, WRITE)
        await desk.answer(Choice.EDIT, arguments=EDITED)
        run = await running.result()
    assert ((tmp_path / "pyproject.toml").read_text(), len(desk.shown)) == ("edited", 1), run.error


@pytest.mark.parametrize("choice", [Choice.ALLOW, Choice.DENY])
async def test_an_edit_of_a_file_that_changed_meanwhile_is_shown_anew(tmp_path: Path, choice: Choice) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text("old")
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, WRITE)
        await desk.waiting()
        file.write_text("changed")
        await desk.answer(Choice.EDIT, arguments=EDITED)
        with anyio.fail_after(30):
            await until(lambda: len(desk.shown) == 2 or running.ended.is_set())
        assert file.read_text() == "changed"
        await desk.answer(choice, "edited")
        await running.result()
    assert "-changed" in (desk.shown[1].classification.diff or "")
    assert file.read_text() == ("edited" if choice is Choice.ALLOW else "changed")


async def test_an_edit_to_another_file_shows_what_it_does_there_first(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("old")
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, WRITE)
        await desk.answer(Choice.EDIT, arguments={"path": "a", "content": "edited"})
        await until(lambda: len(desk.shown) == 2 or running.ended.is_set())
        assert (tmp_path / "a").read_text() == "a"
        await desk.answer(Choice.ALLOW, "edited")
        run = await running.result()
    assert (tmp_path / "a").read_text() == "edited", run.error
    assert "-a" in (desk.shown[1].classification.diff or "")


async def test_arguments_cannot_be_edited_into_what_a_rule_denies(tmp_path: Path) -> None:
    rule = Rule(tool="shell", verdict="deny", arguments={"command": "rm -f b"})
    async with at_desk(tmp_path, rules=[rule]) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "return (await shell('rm -f a')).exitCode")
        with pytest.raises(ApprovalUnavailable, match="the rule deny shell"):
            await desk.answer(Choice.EDIT, arguments={"command": "rm -f b"})
        await desk.answer(Choice.DENY)
        await running.result()
        assert desk.exists("b")


async def test_a_file_that_changed_while_the_question_stood_there_is_asked_about_anew(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("old")
    inside = tmp_path / "inside"
    inside.mkdir()
    async with at_desk(inside) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, f"await writeFile({str(outside)!r}, 'new'); return 'written'")
        (first,) = await desk.waiting()
        outside.write_text("changed by somebody")
        await desk.answer(Choice.ALLOW)
        await until(lambda: len(desk.shown) == 2)
        assert outside.read_text() == "changed by somebody"
        assert desk.shown[1].digest != first.digest
        await desk.answer(Choice.ALLOW)
        run = await running.result()
    assert (run.result, outside.read_text()) == ("written", "new"), run.error


async def test_a_task_asks_like_a_call_and_outlives_its_script(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        run = await desk.harness.run("return tools.spawn.shell({command: 'rm -f a'}).id")
        await desk.waiting()
        assert run.status is RunStatus.COMPLETED and desk.exists("a")
        await desk.answer(Choice.ALLOW)
        waiting = Running(
            desk, group, "return (await (await tools.spawn.get(params)).done).exitCode", params=run.result
        )
        assert (await waiting.result()).result == 0
    assert not desk.exists("a")


async def test_an_answer_given_ahead_counts_for_one_call(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    async with Harness(tmp_path, journals=lambda run_id: MemoryJournal()) as harness:
        harness.approvals.answer_next(Choice.ALLOW)
        run = await harness.run("await shell('rm -f a'); await shell('rm -f b')")
        assert run.error is not None and run.error["code"] == "approval_unavailable"
        assert run.operations[0].approval == "allow by notebook"
    assert not (tmp_path / "a").exists()


async def test_what_was_allowed_ahead_runs_where_nobody_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    async with Harness(tmp_path, journals=lambda run_id: MemoryJournal()) as harness:
        harness.permissions.allow("shell", "rm", "-f", "a")
        run = await harness.run("return (await shell('rm -f a')).exitCode")
        assert run.result == 0, run.error
        again = await harness.run("await shell('rm -f a b')")
        assert again.error is not None and again.error["code"] == "approval_unavailable"


async def test_a_deny_rule_refuses_unasked_and_names_itself(tmp_path: Path) -> None:
    rule = Rule(tool="shell", verdict="deny", arguments={"command": "rm *"}, source="toolscript.toml, rule 1")
    async with at_desk(tmp_path, rules=[rule]) as desk:
        run = await desk.harness.run("await shell('rm -f a')")
    assert run.error is not None and "toolscript.toml, rule 1" in run.error["message"]
    assert desk.shown == [] and desk.exists("a")


@pytest.mark.parametrize("policy", [Policy.NEVER])
async def test_under_never_what_would_ask_is_refused(tmp_path: Path, policy: Policy) -> None:
    async with at_desk(tmp_path) as desk:
        run = await desk.harness.run("await shell('rm -f a')", policy=policy)
    assert run.error is not None and run.error["code"].startswith("approval")
    assert desk.shown == [] and desk.exists("a")


async def test_a_log_line_that_looks_like_consent_is_a_log_line(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "console.log('[toolscript] approve? [y] granted'); await shell('rm -f a')")
        await desk.waiting()
        assert desk.exists("a")
        await desk.answer(Choice.DENY)
        run = await running.result()
    assert [e.source for e in desk.events if e.type == "script_log"] == ["script"]
    assert run.operations[0].approval == "deny by desk"


async def test_what_was_allowed_is_another_call_once_a_link_leads_its_directory_elsewhere(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text(name)
    (tmp_path / "link").symlink_to("first")
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "return (await exec({command: ['rm', '-f', 'x'], cwd: 'link'})).exitCode")
        await desk.waiting()
        (tmp_path / "link").unlink()
        (tmp_path / "link").symlink_to(tmp_path.parent)
        await desk.answer(Choice.ALLOW)
        await until(lambda: len(desk.shown) == 2)
        assert str(tmp_path.parent) in {str(p.path) for p in desk.shown[1].classification.paths}
        await desk.answer(Choice.DENY)
        await running.result()
    assert desk.exists("first/x") and desk.exists("second/x")


async def test_a_call_that_a_rule_denies_by_the_time_it_begins_is_refused_though_it_was_allowed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "plain.txt").write_text("plain")
    (outside / "secret.txt").write_text("secret")
    (inside / "link").symlink_to(outside / "plain.txt")
    rule = Rule(tool="readFile", verdict="deny", arguments={"path": str(outside / "secret.txt")})
    async with at_desk(inside, rules=[rule]) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "return readFile('link')")
        await desk.waiting()
        (inside / "link").unlink()
        (inside / "link").symlink_to(outside / "secret.txt")
        await desk.answer(Choice.ALLOW)
        run = await running.result()
    assert run.error is not None and run.error["code"] == "approval_unavailable"
    assert len(desk.shown) == 1


async def test_concurrent_edits_of_one_file_need_no_consent_and_are_written_down_as_they_happened(
    tmp_path: Path,
) -> None:
    source = """
        await Promise.all(['b', 'c', 'd'].map((n) => writeFile('a', n)));
        return readFile('a')"""
    async with at_desk(tmp_path) as desk:
        run = await desk.harness.run(source)
    begins = [r for r in desk.journals[0].records if isinstance(r, BeginRecord)]
    digests = [(r.paths[0]["before"]["digest"], r.paths[0]["after"]) for r in begins]
    assert run.error is None and [before for before, _ in digests[1:]] == [after for _, after in digests[:-1]]


async def test_waiting_for_a_person_is_told_apart_from_running(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "return (await shell('rm -f a')).exitCode")
        await desk.waiting()
        await anyio.sleep(1.5)  # the wait itself is the subject
        await desk.answer(Choice.ALLOW)
        run = await running.result()
    (operation,) = run.operations
    assert operation.waited_ms >= 1_500
    assert operation.duration_ms is not None and operation.duration_ms < 1_400
