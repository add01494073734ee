"""Each limit of a run can be lowered in each way there is, is never raised, and says what was allowed and used."""

from __future__ import annotations

import json

import pytest
from tests.harness.limit_cases import ERRORS, Case, crowd, long, meet, send

from toolscript.approvals.request import Choice, Decision
from toolscript.errors import ConfigError
from toolscript.harness import Harness
from toolscript.limits import Limits, limit_names
from toolscript_kernel import options

pytestmark = pytest.mark.anyio
TOOLS = (long, meet, send)
KEPT_ELSEWHERE = {"in_flight", "console_bytes", "console_events", "console_events_per_second", "task_seconds"}
"""Limits that end nothing: each has a test of its own below."""


class Denying:
    """A decider that says no, or nothing at all."""

    name = "test"

    def __init__(self, harness, *, answers):
        self.harness, self.answers = harness, answers

    def show(self, request):
        if self.answers:
            decision = Decision(choice=Choice.DENY, by="test", reason="no")
            self.harness.approvals.decide_threadsafe(request.approval_id, decision)

    def withdraw(self, approval_id, decision):
        pass


async def by_run(harness, name, value, script):
    return await harness.run(script, limits={name: value})


async def by_pragma(harness, name, value, script):
    return await harness.run(f"// @script: {json.dumps({'limits': {name: value}})}\n{script}")


async def by_camel_pragma(harness, name, value, script):
    first, *rest = name.split("_")
    return await harness.run(f"// @script: {json.dumps({first + ''.join(map(str.title, rest)): value})}\n{script}")


async def by_cell(harness, name, value, script):
    given = options.read(f"--limits {name}={value}")
    return await harness.run(script, limits=given.limits, origin="cell", last_expression=True)


ASKED = {"run": by_run, "pragma": by_pragma, "camel pragma": by_camel_pragma, "cell": by_cell}


async def of_harness(workplace, name, value):
    return Harness(workplace / "work", limits=Limits(**{name: value}), tools=TOOLS)


async def of_agent(workplace, name, value):
    text = f"[agents.recorded.limits]\n{name} = {value}\n"
    (workplace / "config" / "toolscript" / "toolscript.toml").write_text(text)
    return Harness(workplace / "work", agent="recorded", tools=TOOLS)


async def of_workspace(workplace, name, value):
    (workplace / "work" / "toolscript.toml").write_text(f"[agents.recorded.limits]\n{name} = {value}\n")
    return Harness(workplace / "work", agent="recorded", tools=TOOLS)


CONFIGURED = {"harness": of_harness, "agent": of_agent, "workspace file": of_workspace}


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def open_harness(anyio_backend, tmp_path_factory):
    async with Harness(tmp_path_factory.mktemp("work"), tools=TOOLS) as opened:
        yield opened


def deciding(harness, name):
    return harness.approvals.attach(Denying(harness, answers=name == "denials"))


def check(case: Case, run):
    error = run.error or {}
    assert error.get("code") == case.code, run.error
    assert case.shown in error["message"]
    if case.used != (0, 0):
        assert error["details"]["allowed"] == case.low
        assert case.used[0] <= error["details"]["used"] <= case.used[1]


def test_no_limit_is_without_a_case():
    assert set(ERRORS) | KEPT_ELSEWHERE == set(limit_names())


@pytest.mark.parametrize("way", ASKED)
@pytest.mark.parametrize("name", ERRORS)
async def test_a_limit_that_is_asked_for_holds_and_says_what_was_allowed_and_used(open_harness, name, way):
    with deciding(open_harness, name):
        run = await ASKED[way](open_harness, name, ERRORS[name].low, ERRORS[name].script)

    check(ERRORS[name], run)
    assert (await open_harness.run("return 1")).result == 1


@pytest.mark.parametrize("way", CONFIGURED)
@pytest.mark.parametrize("name", ERRORS)
async def test_a_limit_that_is_configured_holds_and_nobody_raises_it(workplace, name, way):
    async with await CONFIGURED[way](workplace, name, ERRORS[name].low) as harness:
        with deciding(harness, name):
            check(ERRORS[name], await harness.run(ERRORS[name].script))
        for asked in ("run", "cell"):
            with pytest.raises(ConfigError, match=f"limit {name} may be lowered, not raised"):
                await ASKED[asked](harness, name, ERRORS[name].low + 1, "return 1")
        for asked in ("pragma", "camel pragma"):
            refused = await ASKED[asked](harness, name, ERRORS[name].low + 1, "1")
            assert refused.error["code"] in ("script_format", "source_limit")
            assert f"limit {name} may be lowered" in refused.error["message"]


@pytest.mark.parametrize("way", ASKED)
@pytest.mark.parametrize("wanted", [0, -1, 1e12])
@pytest.mark.parametrize("name", limit_names())
async def test_what_no_limit_can_be_is_refused_by_name(open_harness, name, way, wanted):
    if way in ("run", "cell"):
        with pytest.raises(ConfigError, match=name):
            await ASKED[way](open_harness, name, wanted, "return 1")
    else:
        assert name in (await ASKED[way](open_harness, name, wanted, "return 1")).error["message"]


@pytest.mark.parametrize("way", ASKED)
async def test_more_calls_than_may_be_in_flight_wait_and_go_in_order(open_harness, way):
    crowd.most = 0
    script = "return Promise.all([0, 1, 2, 3, 4, 5].map((n) => tools.meet({ n })));"
    run = await ASKED[way](open_harness, "in_flight", 2, script)

    assert run.result == [0, 1, 2, 3, 4, 5]
    assert crowd.most == 2
    ended = [e.operation for e in run.events if e.type == "operation_finished"]
    assert ended == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("way", ASKED)
async def test_the_console_stays_within_its_limits_and_says_what_it_dropped(open_harness, way):
    many = "for (let i = 0; i < 60; i++) { console.log('line ' + i); await null; } return 1;"
    bytes_ = await ASKED[way](open_harness, "console_bytes", 100, many)
    events = await ASKED[way](open_harness, "console_events", 3, many)
    rate = await ASKED[way](open_harness, "console_events_per_second", 2, many)

    assert [run.result for run in (bytes_, events, rate)] == [1, 1, 1]
    assert bytes_.logs[-1].text == "47 console lines beyond 100 bytes were dropped"
    assert len(events.logs) <= 3
    for kept in (events, rate):
        assert "\n".join(log.text for log in kept.logs).splitlines() == [f"line {i}" for i in range(60)]
    assert len(rate.logs) <= 3


@pytest.mark.parametrize("way", ASKED)
async def test_a_task_ends_at_its_deadline(open_harness, way):
    script = "const t = tools.spawn.exec({ command: ['sleep', '60'] }); try { await t.done; } catch (e) { return [e.code, e.message]; }"
    run = await ASKED[way](open_harness, "task_seconds", 0.3, script)

    assert run.result[0] == "cancelled", run.error
    assert "its deadline of 0.3 s passed" in run.result[1]


@pytest.mark.parametrize("count", [2.5, 0.5, 3.0])
def test_a_limit_that_counts_is_a_whole_number(count):
    with pytest.raises(ConfigError, match="in_flight must be a whole number"):
        Limits(in_flight=count)
