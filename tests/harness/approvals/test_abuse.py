"""Abuse of requests for consent, each as a real script tries it: what is shown, what is asked, and what never runs."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from tests.harness.approvals.parts import until
from tests.harness.approvals.test_in_script import Running, at_desk

from toolscript.approvals.request import Choice, Decision, Policy
from toolscript.approvals.rules import Rule
from toolscript.approvals.text import as_markdown, as_text
from toolscript.harness import Harness
from toolscript.limits import Limits
from toolscript.registry.context import SandboxMode

pytestmark = pytest.mark.anyio

HOSTILE = {
    "APR-01": (["rm", "-rf", "./\u0430pp"], "<U+0430>pp"),
    "APR-02": (["rm", "-f", "safe\u202e fr- mr"], "<U+202E>"),
    "APR-03": (["rm", "-f", "hi\U000e0072\U000e006d"], "<U+E0072><U+E006D>"),
    "APR-04": (["rm", "-f", "/etc/\u2060passwd"], "<U+2060>"),
    "APR-05": (["sh", "-c", "rm -f x #\x1b[2K\x1b[1G ls -la\r"], "<U+001B>[2K"),
    "APR-06": (["rm", "-f", "a" * 4_000, "; rm -rf ~"], "; rm -rf ~"),
    "APR-07": (["sh", "-c", "ls" + "\n" * 200 + "rm -rf ~"], "rm -rf ~"),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_what_misleads_is_shown_in_every_face_and_nothing_runs(tmp_path: Path, case: str) -> None:
    command, seen = HOSTILE[case]
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "return exec(params)", params=command)
        (asked,) = await desk.waiting()
        await desk.answer(Choice.DENY)
        run = await running.result()
    for shown in (as_text(asked), as_markdown(asked), as_text(asked, full=True)):
        assert seen in shown
        assert not any(c in shown for c in "\u202e\x1b\r\u2060\U000e0072")
    assert asked.arguments["command"] == command
    assert run.error is not None and run.error["code"] == "approval_denied"


# Case APR-18: a thousand requests are not a thousand questions.
@pytest.mark.parametrize("together", [False, True], ids=["one after the other", "together"])
async def test_whoever_asks_without_end_is_stopped(tmp_path: Path, together: bool) -> None:
    source = (
        "await Promise.allSettled(Array.from({length: 1000}, () => shell('rm -f a')))"
        if together
        else "for (let i = 0; i < 1000; i++) { try { await shell('rm -f a') } catch {} }"
    )
    async with at_desk(tmp_path, limits=Limits(calls=20, denials=3)) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, source)
        for _ in range(3):
            await desk.answer(Choice.DENY)
        run = await running.result()
        assert desk.harness.approvals.pending == ()
    assert run.error is not None and run.error["code"] == "denial_limit"
    assert len(desk.shown) <= 20 and desk.exists("a")


# Case APR-22: no human means no.
async def test_a_question_left_open_is_a_no(tmp_path: Path) -> None:
    async with at_desk(tmp_path, limits=Limits(approval_seconds=0.3)) as desk:
        with anyio.fail_after(30):
            run = await desk.harness.run("return shell('rm -f a').catch((e) => e.code)")
    assert run.result == "approval_expired" and desk.exists("a")


# Case APR-12: an allow and a deny at the same moment.
async def test_of_an_allow_and_a_deny_at_once_the_first_counts_and_the_other_learns_who(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, "return shell('rm -f a').then((r) => r.exitCode, (e) => e.code)")
        (asked,) = await desk.waiting()
        bridge = desk.harness.approvals
        first = bridge.decide_threadsafe(asked.approval_id, Decision(choice=Choice.DENY, by="one"))
        second = bridge.decide_threadsafe(asked.approval_id, Decision(choice=Choice.ALLOW, by="other"))
        run = await running.result()
        await until(lambda: first.done() and second.done())
    assert first.result().by == "one"
    assert "deny by one" in str(second.exception())
    assert run.result == "approval_denied" and desk.exists("a")


async def test_leaving_the_sandbox_asks_through_the_same_bridge_whatever_the_rules_allow_by_wildcard(
    tmp_path: Path,
) -> None:
    rule = Rule(tool="exec", verdict="allow", arguments={"command": ["touch", "**"]})
    source = "return (await exec({command: ['touch', 'n'], withEscalatedPermissions: true, justification: 'I want'})).exitCode"
    async with at_desk(tmp_path, rules=[rule]) as desk, anyio.create_task_group() as group:
        running = Running(desk, group, source)
        (asked,) = await desk.waiting()
        assert asked.classification.escalated and asked.classification.justification == "I want"
        assert "without confinement" in asked.why and not desk.exists("n")
        await desk.answer(Choice.ALLOW)
        run = await running.result()
    assert run.result == 0 and desk.exists("n")


@pytest.mark.parametrize("mode", SandboxMode)
async def test_no_sandbox_mode_lets_file_tools_or_patches_touch_the_state(tmp_path: Path, mode: SandboxMode) -> None:
    async with Harness(tmp_path, sandbox=mode) as harness:
        target = str(harness.state / "owners" / "x.json")
        harness.permissions.allow("writeFile", json.dumps({"path": target, "content": "x"}))
        for source in ("await writeFile(params, 'x')", "return readFile(params)", "return listDir(params)"):
            run = await harness.run(source, params=target)
            assert run.error is not None, source
        patch = f"*** Begin Patch\n*** Add File: {target}\n+x\n*** End Patch"
        assert (await harness.run("await applyPatch(params)", params=patch)).error is not None
        assert not Path(target).exists()


async def test_full_access_says_that_approvals_do_not_bind_commands(tmp_path: Path) -> None:
    async with at_desk(tmp_path, sandbox=SandboxMode.DANGER_FULL_ACCESS, policy=Policy.ALWAYS_ASK) as desk:
        async with anyio.create_task_group() as group:
            running = Running(desk, group, "return (await exec(['true'])).exitCode")
            (asked,) = await desk.waiting()
            assert "no: it may do whatever you may do" in as_text(asked)
            await desk.answer(Choice.ALLOW)
            assert (await running.result()).result == 0
