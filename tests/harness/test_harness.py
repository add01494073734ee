"""The door: scripts run through real workers and real tools, and every failure is typed."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from toolscript.approvals.request import Choice, Decision, Policy
from toolscript.errors import ConfigError
from toolscript.events import OperationStatus, RunStatus
from toolscript.harness import Harness
from toolscript.limits import Limits

pytestmark = pytest.mark.anyio


@pytest.fixture
async def harness(tmp_path: Path):
    (tmp_path / "a.txt").write_text("alpha\nTODO one\n")
    (tmp_path / "b.txt").write_text("beta\nTODO two\n")
    async with Harness(workspace=tmp_path) as opened:
        yield opened


async def test_a_script_acts_through_tools_and_returns_json(harness):
    run = await harness.run(
        "const r = await tools.exec({command: ['ls']}); return r.stdout.split('\\n').length", params={}
    )

    assert (run.status, run.result, run.error) == (RunStatus.COMPLETED, 3, None)
    assert [(o.tool, o.status) for o in run.operations] == [("exec", OperationStatus.SUCCEEDED)]
    assert run.script_hash and run.events and run.durations["total"] > 0


async def test_params_context_console_and_store_reach_the_script(harness):
    first = await harness.run(
        "console.log('hello', params.n); store.set('seen', params.n); return context.workingDirectory", params={"n": 7}
    )
    second = await harness.run("return store.get('seen')")

    assert first.result == str(harness.workspace)
    assert [log.text for log in first.logs] == ["hello 7"]
    assert second.result == 7


async def test_calls_run_in_parallel_and_settle_in_any_combinator(harness):
    run = await harness.run(
        "const [a, b] = await Promise.all([readFile('a.txt'), readFile('b.txt')]);"
        "const none = await Promise.allSettled([readFile('missing.txt')]);"
        "const first = await Promise.any([readFile('missing.txt'), readFile('a.txt')]);"
        "return [a.length, b.length, none[0].reason.code, first.length]"
    )

    assert run.result == [15, 14, "not_found", 15], run.error


async def test_a_tool_failure_is_a_real_error_that_the_script_can_handle(harness):
    run = await harness.run(
        "try { await tools.readFile({path: 'missing.txt'}) }"
        "catch (e) { return [e instanceof Error, e.name, e.code, e.tool, typeof e.message] }"
    )

    assert run.result == [True, "ToolError", "not_found", "readFile", "string"]


async def test_a_nonzero_exit_resolves(harness):
    run = await harness.run("return (await tools.exec({command: ['sh', '-c', 'echo out; exit 3']})).exitCode")

    assert run.result == 3, run.error


async def test_files_are_written_and_patched(harness):
    run = await harness.run(
        "await writeFile('new.txt', 'one\\ntwo\\n');"
        "return applyPatch(`*** Begin Patch\n*** Update File: new.txt\n@@\n-two\n+three\n*** End Patch`)"
    )

    assert (harness.workspace / "new.txt").read_text() == "one\nthree\n"
    assert run.result["modified"] == ["new.txt"], run.error


@pytest.mark.parametrize(
    ("source", "code", "line"),
    [
        ("const a = ;", "syntax_error", 1),
        ("\nenum Colour { Red }", "unsupported_typescript", 2),
        ("x".ljust(20 * 1024 + 1), "source_limit", None),
        ("\nfor(;;){}", "guest_time_limit", None),
        ("const a = []; for(;;) a.push('x'.repeat(1000) + a.length)", "heap_limit", None),
        ("const f = () => f() + 1; f()", "stack_limit", None),
        ("\n  throw new TypeError('no')", "script_threw", 2),
        ("await new Promise(() => {})", "deadlock", None),
        ("return 1n", "result_not_json", None),
        ("\nawait tools.nope({})", "unknown_tool", 2),
        ("\n\n await tools.readFile({path: 1})", "invalid_arguments", 3),
        ("return tools.readFile({path: 'missing.txt'})", "not_found", 1),
        ("for (let i = 0; i < 40; i++) await tools.search({query: 'x'})", "call_limit", 1),
        ("", "script_format", None),
    ],
)
async def test_bad_input_gives_a_typed_error_with_its_place_and_the_next_run_works(harness, source, code, line):
    run = await harness.run(source, limits={"guest_seconds": 0.3})

    assert (run.status, run.error["code"]) == (RunStatus.FAILED, code), run.error
    assert line is None or run.error["line"] == line
    assert (await harness.run("return 1 + 1")).result == 2


async def test_a_call_that_nobody_awaited_is_cancelled_and_named(harness):
    run = await harness.run("\ntools.exec({command: ['sleep', '60']}); return 'done'", policy=Policy.ON_REQUEST)

    assert (run.status, run.result) == (RunStatus.COMPLETED, "done")
    assert len(run.warnings) == 1
    assert run.warnings[0].startswith("line 2: nobody awaited exec")


async def test_a_dangerous_call_waits_for_a_person_and_what_is_allowed_runs(harness):
    decider = Answering(harness, Choice.ALLOW)
    with harness.approvals.attach(decider):
        run = await harness.run("return (await shell('rm -f a.txt')).exitCode")

    assert (run.result, (harness.workspace / "a.txt").exists()) == (0, False), run.error
    assert len(decider.shown) == 1


async def test_a_denied_call_runs_nothing_and_is_a_typed_error(harness):
    with harness.approvals.attach(Answering(harness, Choice.DENY)):
        run = await harness.run("return (await shell('rm -f a.txt')).exitCode")

    assert run.error["code"] == "approval_denied"
    assert (harness.workspace / "a.txt").exists()
    assert run.operations[0].status is OperationStatus.DENIED


async def test_without_anybody_to_ask_the_call_is_refused_at_once_and_says_how_to_allow_it(harness):
    run = await harness.run("return (await shell('rm -f a.txt')).exitCode")

    assert run.error["code"] == "approval_unavailable"
    assert 'arguments = {command = "rm -f a.txt"}' in run.error["message"]


async def test_cancelling_a_run_ends_its_processes_and_keeps_what_had_happened(harness):
    events = []
    with harness.listening(events.append):
        with anyio.CancelScope() as scope:
            with harness.listening(lambda e: scope.cancel() if e.type == "operation_output_delta" else None):
                await harness.run(
                    "console.log('before'); await tools.exec({command: ['sh', '-c', 'echo up; sleep 600']})"
                )

    output = events[-1]
    assert (output.type, output.status) == ("script_execution_output", RunStatus.ABORTED)
    assert "before" in [e.text for e in events if e.type == "script_log"]
    assert (await harness.run("return 1")).result == 1


async def test_a_spawned_task_outlives_its_script_and_another_script_waits_for_it(harness):
    first = await harness.run("const t = tools.spawn.readFile({path: 'a.txt'}); return t.id")
    second = await harness.run("return (await (await tools.spawn.get(params)).done).length", params=first.result)

    assert second.result == 15, second.error


async def test_limits_are_lowered_never_raised(harness):
    with pytest.raises(ConfigError):
        await harness.run("return 1", limits={"calls": 33})


async def test_a_workspace_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError):
        Harness(tmp_path / "missing")


async def test_guest_time_stops_while_a_tool_runs(tmp_path):
    async with Harness(tmp_path, limits=Limits(guest_seconds=0.5)) as harness:
        run = await harness.run("await sleep(1500); await sleep(10); return 'alive'")
        stopped = await harness.run("await sleep(10); for(;;){}")

    assert (run.result, stopped.error["code"]) == ("alive", "guest_time_limit")


class Answering:
    """A decider that answers each request at once."""

    name = "test"

    def __init__(self, harness: Harness, choice: Choice) -> None:
        self.harness, self.choice, self.shown = harness, choice, []

    def show(self, request):
        self.shown.append(request)
        self.harness.approvals.decide_threadsafe(
            request.approval_id, Decision(choice=self.choice, by="test", reason="because")
        )

    def withdraw(self, approval_id, decision):
        pass
