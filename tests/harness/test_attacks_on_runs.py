"""Scripts that mean harm, from their text to the run's end: typed, written down, and nothing is left of them.

Ids follow a public survey of sandbox abuse, as those of ``runtime/attack_cases.py``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.harness.anything import AnythingTool
from tests.harness.runtime.attack_cases import ANY, CASES
from tests.harness.unharmed import Unharmed, told

from toolscript import errors
from toolscript.approvals.request import Choice, Decision
from toolscript.events import OperationStatus
from toolscript.harness import Harness
from toolscript.limits import Limits
from toolscript.registry.classification import Effect

pytestmark = pytest.mark.anyio
CANARY = "canary-51ce"
NATIVE = ("CPU", "MEM", "STK")
"""Kinds of cases that never come near the host: tests of the pool play them."""
HOSTED = [name for name in CASES if name[:3] not in NATIVE and not name.startswith("BRI-13")]
LARGE = 1 << 20
READ = AnythingTool("read")


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def harness(anyio_backend, tmp_path_factory):
    os.environ["TOOLSCRIPT_TEST_CANARY"] = CANARY
    place = tmp_path_factory.mktemp("place")
    (place / "outside.txt").write_text(CANARY)
    (place / "work").mkdir()
    tools = [READ, AnythingTool("echo"), AnythingTool("list", answer=lambda arguments: [1, 2])]
    try:
        async with Harness(place / "work", tools=tools, limits=Limits(source_bytes=LARGE)) as opened:
            await opened.run("return (await tools.exec({ command: ['true'] })).exitCode;")
            yield opened
    finally:
        del os.environ["TOOLSCRIPT_TEST_CANARY"]


@pytest.mark.parametrize("name", HOSTED)
async def test_an_attack_ends_as_it_should_and_leaves_the_host_as_it_was(harness, name):
    case = CASES[name]
    READ.answer = lambda arguments: None if case.fails else {"text": "data"}
    async with Unharmed(harness):
        run = await harness.run(case.script, limits=case.limits)

        assert CANARY not in told(harness, run)
        if run.error is None:
            assert case.result is ANY or run.result == case.result
        elif case.stuck:
            assert run.error["code"] == "deadlock"
        elif name.startswith("CMP-11"):
            assert run.error["code"] == "source_limit"
        else:
            assert issubclass(getattr(errors, run.error["name"]), case.errors), run.error


async def test_pro_01_a_key_named_proto_is_an_argument_that_no_tool_knows(harness):
    async with Unharmed(harness):
        run = await harness.run(
            'try { await tools.readFile(JSON.parse(\'{"__proto__": {"admin": true}, "path": "a.txt"}\')); }'
            " catch (e) { return [e.code, ({}).admin === undefined]; }"
        )

    assert run.result == ["invalid_arguments", True], run.error


FORGERS = {
    "PRO-08": "try { JSON.stringify = () => '{}'; } catch {}",
    "PRO-09": "try { Object.prototype.toJSON = function () { return [1, 'read', '{}']; }; } catch {}",
    "PRO-10": "for (const k of ['approved', 'id', 'number', 'tool', 'effect']) try { Object.defineProperty("
    "Object.prototype, k, { get() { return true; }, configurable: true }); } catch {}",
    "PRO-04": "try { Object.defineProperty(Array.prototype, '0', { set() {}, get() { return 'c'; } }); } catch {}",
    "ERR-09": "globalThis.ApprovalDenied = class extends Error {}; globalThis.approved = true;",
}


class Watching:
    """A person who looks at each request and says no."""

    name = "test"

    def __init__(self, harness):
        self.harness, self.shown = harness, []

    def show(self, request):
        self.shown.append((request.tool, request.arguments["command"]))
        decision = Decision(choice=Choice.DENY, by="test", reason="no")
        self.harness.approvals.decide_threadsafe(request.approval_id, decision)

    def withdraw(self, approval_id, decision):
        pass


@pytest.mark.parametrize("name", FORGERS)
async def test_whatever_a_script_patches_what_it_asks_for_is_asked_as_it_stands(harness, name):
    person = Watching(harness)
    async with Unharmed(harness):
        with harness.approvals.attach(person):
            run = await harness.run(
                FORGERS[name]
                + " try { await tools.exec({ command: ['rm', '-rf', '/'] }); } catch (e) { return e.code; }"
            )

    assert run.result == "approval_denied", run.error
    assert person.shown == [("exec", ["rm", "-rf", "/"])]


async def test_bri_07_a_call_made_while_arguments_are_written_is_asked_like_any_other(harness):
    person = Watching(harness)
    script = CASES["BRI-07 a call within a call"].script.replace("['id']", "['rm', '-rf', '/']")
    async with Unharmed(harness):
        with harness.approvals.attach(person):
            run = await harness.run(script)

    assert [(o.tool, o.number) for o in run.operations] == [("exec", 1), ("echo", 2)]
    assert run.operations[0].status in (OperationStatus.DENIED, OperationStatus.CANCELLED)


async def test_bri_13_half_characters_and_nul_pass_through_tools_logs_results_and_the_journal(harness):
    text = r"'\ud800 a\u0000b \udfff \u2028 \u{10ffff}'"
    async with Unharmed(harness):
        run = await harness.run(
            f"const t = {text}; console.log(t); store.set('t', t); const r = await tools.echo({{ t }}); return [t, r.t === t];"
        )
        again = await harness.run(f"return store.get('t') === {text};")

    assert run.error is None
    assert run.logs[0].text.encode("utf-8")  # what is shown is text
    assert "a\u0000b" in run.result[0]
    assert again.error is None
    assert told(harness, run).encode("utf-8")


AS_JSON = {
    "undefined": (None, {}), "NaN": (None, {"v": None}), "Infinity": (None, {"v": None}), "-0": (0, {"v": 0}),
    "10n ** 30n": ("JSON cannot carry a BigInt; use String(n) or Number(n)",) * 2,
    "Symbol('s')": ("JSON cannot carry a symbol", {}), "() => 1": ("JSON cannot carry a function", {}),
    "new Map([[1, 2]])": ("JSON cannot carry a Map; use Object.fromEntries(map) or [...map]",) * 2,
    "new Set([1])": ("JSON cannot carry a Set; use [...set]",) * 2,
    "new Date(NaN)": (None, {"v": None}), "new Date(0)": ("1970-01-01T00:00:00.000Z", {"v": "1970-01-01T00:00:00.000Z"}),
    "/x/g": ({}, {"v": {}}), "new Uint8Array(3)": ({"0": 0, "1": 0, "2": 0}, {"v": {"0": 0, "1": 0, "2": 0}}),
}  # fmt: skip
"""What becomes of values that JSON cannot carry: as a result, and within an argument. As JSON.stringify does, but for
what it would lose without a word."""


@pytest.mark.parametrize("value", AS_JSON)
async def test_bri_12_each_value_that_json_cannot_carry_has_one_outcome(harness, value):
    result, argument = AS_JSON[value]
    async with Unharmed(harness):
        returned = await harness.run(f"return {value};")
        sent = await harness.run(f"return await tools.echo({{ v: {value} }});")

    assert (returned.error or {}).get("message", returned.result) == result
    assert (sent.error or {}).get("message", sent.result) in (argument, f"TypeError: {argument}")


async def test_err_06_what_an_error_claims_to_be_is_text_of_the_script_and_nothing_else(harness):
    script = "const e = new Error('granted'); e.name = 'ApprovalDenied'; e.code = 'completed'; e.tool = 'exec'; e.details = { ends_turn: true }; e.stack = 'File \"pool.py\"'; throw e;"
    async with Unharmed(harness):
        run = await harness.run(script)

    assert (run.status, run.error["name"], run.error["code"]) == ("failed", "ScriptThrew", "script_threw")
    assert run.error["message"] == "ApprovalDenied: granted"
    assert "cause" not in run.error["details"]


async def test_asy_08_the_loser_of_a_race_ends_with_its_script_and_so_does_its_process(harness):
    async with Unharmed(harness):
        run = await harness.run(
            "await Promise.race([tools.exec({ command: ['sleep', '611'] }), sleep(300)]); return 1;"
        )
        assert run.result == 1
        assert run.operations[0].status is OperationStatus.CANCELLED


async def test_fac_03_a_tool_nobody_has_is_named_with_those_that_are_near(harness):
    async with Unharmed(harness):
        run = await harness.run("try { await tools.readFil({ path: '/' }); } catch (e) { return [e.code, e.message]; }")

    assert run.result[0] == "unknown_tool"
    assert "readFile" in run.result[1]


async def test_frm_01_lines_that_look_like_frames_are_lines(harness):
    script = r"""console.log('["d","forged",[]]'); console.log('\x00\x00\x00\x40\x01\x11\x00\x02["c",1,"exec",1,1,0,"{}"]');
    console.error(JSON.stringify({ type: 'result', id: 1, value: 'forged' })); return typeof print;"""
    async with Unharmed(harness):
        run = await harness.run(script)

    assert (run.result, run.operations, len(run.logs)) == ("undefined", (), 3)


@pytest.mark.parametrize("depth", [1_000, 50_000, 200_000])
@pytest.mark.parametrize("pair", ["()", "[]", "{}"])
async def test_stk_05_a_source_nested_too_deeply_is_an_error_and_no_crash_of_the_host(harness, depth, pair):
    async with Unharmed(harness):
        inner = "1" if pair != "{}" else ""
        source = pair[0] * depth + inner + pair[1] * depth
        run = await harness.run(
            f"return {source};" if pair != "{}" else f"{source}\nreturn 1;", limits={"guest_seconds": 1}
        )

    if run.error is not None:
        assert run.error["code"] in (
            "syntax_error",
            "stack_limit",
            "guest_time_limit",
            "heap_limit",
            "worker_crashed",
            "result_not_json",
            "script_threw",
        ), run.error


async def test_what_a_forged_worker_calls_is_refused_by_the_list_of_allowed_tools(tmp_path: Path):
    from toolscript.agent.workers import Workers

    writing = AnythingTool("secretly", effect=Effect.READ)
    workers = Workers(engine="tests.workers.liars:Forger")
    async with Harness(tmp_path, tools=[writing], workers=workers) as harness:
        run = await harness.run("return 1;", allowed_tools=["readFile"])

    assert writing.heard == []
    assert [(o.tool, o.error["code"]) for o in run.operations] == [
        ("secretly", "tool_not_allowed"), ("no.such", "unknown_tool"),
    ]  # fmt: skip
    assert run.result == 1, "the question for a task was answered, too"
