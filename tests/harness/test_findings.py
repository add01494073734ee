"""One test for each finding of an attack on the whole, so that none comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolscript.errors import ConfigError
from toolscript.events import RunStatus
from toolscript.harness import Harness
from toolscript.journal.state import state_dir
from toolscript.limits import Limits
from toolscript.registry.function import tool

pytestmark = pytest.mark.anyio


@pytest.fixture
async def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-SECRET-value")
    async with Harness(tmp_path) as opened:
        yield opened


async def test_a_tool_that_fails_unexpectedly_shows_no_secret_of_the_host(harness, capfd):
    class Broken:
        spec = harness.registry.get("readFile").spec

        async def classify(self, arguments, context):
            raise RuntimeError("unexpected")

        async def call(self, arguments, context):
            raise AssertionError

        def render(self, arguments, output):
            return ""

    harness.registry.add(Broken(), replace=True)
    run = await harness.run("return readFile('x')")
    said = capfd.readouterr()

    assert run.error["code"] == "internal"
    assert "canary" not in said.out + said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "source",
    [
        "console.log('😀'.slice(0, 1)); return 1",
        "throw new Error('abcd😀'.slice(0, 5))",
        "return '😀'.slice(1)",
        "return tools.describe({name: '\\ud800'}).catch(e => e.message)",
    ],
)
async def test_half_a_character_breaks_nothing(harness, source):
    run = await harness.run(source)

    assert run.status is not None
    assert (run.error or {}).get("code") in (None, "script_threw")
    assert all(event.model_dump_json() for event in run.events)


async def test_raw_json_cannot_be_made(harness):
    run = await harness.run("return typeof JSON.rawJSON")

    assert run.result == "undefined"


async def test_base64_that_is_none_is_a_typed_error(harness):
    run = await harness.run("return tools.writeFile({path: 'x', content: '😀', encoding: 'base64'}).catch(e => e.code)")

    assert run.result == "invalid_arguments"


async def test_an_approved_plan_is_carried_out_once(harness):
    source = "await writeFile('a.txt', 'x')"
    approved = (await harness.plan(source)).approve()

    assert (await harness.run(source, plan=approved)).status is RunStatus.COMPLETED
    with pytest.raises(ConfigError, match="already"):
        await harness.run(source, plan=approved)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
async def test_a_limit_is_a_finite_number(value):
    with pytest.raises(ConfigError):
        Limits(wall_seconds=value)
    with pytest.raises(ConfigError):
        Limits().tightened({"wall_seconds": value})


async def test_consent_to_a_command_with_input_is_never_remembered(harness):
    tool = harness.registry.get("exec")
    arguments = tool.spec.input.parse(
        "exec", {"command": ["sh"], "stdin": "true", "withEscalatedPermissions": True, "justification": "x"}
    )
    seen = await tool.classify(
        arguments,
        harness._workshop._scope("r-x", "h", _order(harness), harness._emitter).context(
            1, harness._workshop.world.files
        ),
    )

    assert seen.remember is None


def _order(harness):
    from toolscript.workshop import Order

    return Order(limits=harness.limits, policy=harness.policy)


async def test_a_function_that_gives_half_a_character_costs_no_worker(tmp_path: Path):
    @tool(effect="read")
    def half(fails: bool) -> str:
        """Gives what no text can hold."""
        if fails:
            raise ValueError("a\ud800b")
        return "a\ud800b"

    async with Harness(tmp_path, tools=[half]) as harness:
        given = await harness.run("return await tools.half({fails: false})")
        failed = await harness.run("return await tools.half({fails: true})")

    assert given.result == "a\ufffdb"
    assert failed.error is not None
    assert (failed.error["code"], failed.error["message"]) == ("tool_failed", "ValueError: a\ufffdb")


async def test_a_link_in_the_state_directory_is_told_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "work").mkdir()
    (tmp_path / "there").mkdir()
    (state_dir(tmp_path / "work") / "owners").symlink_to(tmp_path / "there")

    with pytest.raises(ConfigError, match="owners is not a directory of this user"):
        async with Harness(tmp_path / "work"):
            pass
    assert list((tmp_path / "there").iterdir()) == []
