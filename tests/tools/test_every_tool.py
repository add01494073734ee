"""What holds for every tool that ships: the same set for scripts and structured calls, results as declared, typed errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image

from toolscript.agent.executor import ToolReply
from toolscript.events import Emitter, RunStatus
from toolscript.harness import Harness
from toolscript.registry.registry import Registry
from toolscript.registry.tool import ANTHROPIC, OPENAI, Tool
from toolscript.run import Run
from toolscript.serving import Serving
from toolscript.workshop import Order
from toolscript_tools import tools

pytestmark = pytest.mark.anyio

MOVE = "*** Begin Patch\n*** Update File: a.txt\n*** Move to: b.txt\n@@\n-alpha\n+ALPHA\n*** End Patch"

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("exec", {"command": ["sh", "-c", "echo out; echo err >&2; exit 3"]}),
    ("exec", {"command": ["head", "-c", "300000", "/dev/zero"]}),
    ("shell", {"command": "echo $((1 + 2))"}),
    ("readFile", {"path": "a.txt"}),
    ("readFile", {"path": "a.txt", "offset": 1, "limit": 1, "mode": "indentation"}),
    ("readFile", {"path": "plot.png", "encoding": "base64"}),
    ("writeFile", {"path": "new/c.txt", "content": "x", "createDirs": True}),
    ("listDir", {}),
    ("grepFiles", {"pattern": "TODO", "context": 1}),
    ("grepFiles", {"pattern": "TODO", "mode": "counts"}),
    ("grepFiles", {"pattern": "TODO", "mode": "files"}),
    ("fileSearch", {"query": "txt"}),
    ("fileSearch", {"pattern": "**/*.txt"}),
    ("viewImage", {"path": "plot.png"}),
    ("viewImage", {"path": "large.png"}),
    ("applyPatch", {"patch": MOVE}),
    ("strReplaceEditor", {"command": "create", "path": "{ROOT}/d.txt", "fileText": "one\n"}),
    ("strReplaceEditor", {"command": "view", "path": "{ROOT}/a.txt", "viewRange": [1, -1]}),
    ("strReplaceEditor", {"command": "view", "path": "{ROOT}"}),
    ("strReplaceEditor", {"command": "str_replace", "path": "{ROOT}/a.txt", "oldStr": "alpha", "newStr": "beta"}),
    ("strReplaceEditor", {"command": "insert", "path": "{ROOT}/a.txt", "insertLine": 0, "insertText": "first"}),
    ("search", {"query": "patch"}),
    ("describe", {"name": "mcp"}),
    ("describe", {"name": "readFile"}),
    ("readOutput", {"handle": "{HANDLE}", "offset": 1, "limit": 3}),
    ("agent", {"agent": "helper", "prompt": "say yes"}),
]


@pytest.fixture
async def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "toolscript").mkdir(parents=True)
    agents = '[agents.helper]\nprovider = "recorded"\n\n[[rules]]\ntool = "agent"\nverdict = "allow"\n'
    (tmp_path / "config" / "toolscript" / "toolscript.toml").write_text(agents)
    talk = tmp_path / "talk.json"
    talk.write_text(json.dumps({"recordings": [{"prompt": "say yes", "steps": ["Yes."]}]}))
    root = tmp_path / "work"
    root.mkdir()
    (root / "a.txt").write_text("alpha\nTODO one\nomega\n")
    Image.effect_noise((40, 30), 50).save(root / "plot.png")
    Image.effect_noise((1500, 1000), 90).save(root / "large.png", compress_level=0)
    async with Harness(root, recordings=[talk]) as opened:
        yield opened


def order_of(harness: Harness, pack: str | None = None) -> Order:
    return Order(limits=harness.limits, policy=harness.policy, rules=harness.rules, pack=pack)


async def scripted(harness: Harness, name: str, arguments: dict[str, Any]) -> Run:
    return await harness.run(f"return tools.{name}(params)", params=arguments)


async def structured(harness: Harness, tool: Tool, arguments: dict[str, Any]) -> ToolReply:
    return await harness._workshop.call(
        tool.spec.wire_name, json.dumps(arguments), order_of(harness), Emitter(ids={"conversation_id": "c1"})
    )


def given(harness: Harness, arguments: dict[str, Any]) -> dict[str, Any]:
    handle = harness._world.outputs.keep(b"0123456789")
    text = json.dumps(arguments).replace("{ROOT}", str(harness.workspace)).replace("{HANDLE}", handle)
    return dict(json.loads(text))


def test_every_tool_has_calls_here():
    assert {name for name, _ in CALLS} == {tool.spec.path for tool in tools()}


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=[f"{name} {json.dumps(a)[:50]}" for name, a in CALLS])
async def test_what_a_tool_returns_is_what_it_declares(harness: Harness, name: str, arguments: dict[str, Any]):
    run = await scripted(harness, name, given(harness, arguments))

    if arguments == {"name": "mcp"}:
        assert (run.error or {})["code"] == "unknown_tool"
        return
    assert run.error is None, run.error
    schema = harness.registry.get(name).spec.output.schema
    jsonschema.Draft202012Validator(schema).validate(run.result)
    strict = jsonschema.Draft202012Validator({**schema, "additionalProperties": schema.get("type") != "object"})
    strict.validate(run.result)


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=[f"{name} {json.dumps(a)[:50]}" for name, a in CALLS])
async def test_a_structured_call_goes_the_same_road_and_gives_text(
    harness: Harness, name: str, arguments: dict[str, Any]
):
    tool = harness.registry.get(name)
    reply = await structured(harness, tool, given(harness, arguments))

    failing = arguments == {"name": "mcp"} or (name, "exit 3" in str(arguments)) == ("exec", True)
    assert (reply.is_error, bool(reply.text)) == (failing, True), reply


@pytest.mark.parametrize("pack", [None, *OPENAI, *ANTHROPIC])
async def test_scripts_and_structured_calls_have_the_same_tools(harness: Harness, pack: str | None):
    serving = Serving(workshop=harness._workshop, board=harness.board, order=order_of(harness, pack))
    by_wire = {harness.registry.by_wire_name(tool.name).spec.path for tool in serving.function_tools()}
    own = {"spawn"}
    run = await harness._workshop.run(
        "return Object.keys(tools)", order_of(harness, pack), Emitter(ids={"conversation_id": "c1"})
    )

    assert set(run.result) - own == by_wire
    assert {tool.spec.path for tool in Registry(tools()).select(pack=pack)} == by_wire


async def test_openai_models_get_patches_and_anthropic_models_the_editor(harness: Harness):
    def edits(pack: str | None) -> set[str]:
        return {t.spec.path for t in harness.registry.select(pack=pack)} & {"applyPatch", "strReplaceEditor"}

    assert (edits("openai"), edits("anthropic"), len(edits(None))) == ({"applyPatch"}, {"strReplaceEditor"}, 2)


@pytest.mark.parametrize("tool", tools(), ids=lambda tool: tool.spec.path)
async def test_wrong_arguments_are_named_and_nothing_is_done(harness: Harness, tool: Tool):
    before = {p: p.read_bytes() for p in harness.workspace.rglob("*") if p.is_file()}
    required = tool.spec.input.schema.get("required", [])
    wrong: list[tuple[Any, set[str]]] = [({"surprise": 1}, {"surprise", *required}), ([1], set()), ("x", set())]
    wrong += [({name: {"an": "object"} for name in tool.spec.input.schema["properties"]}, set(required))]
    for arguments, named in wrong:
        run = await harness.run(f"return tools.{tool.spec.path}(...params)", params=[arguments])
        error = run.error or {}
        if error.get("code") == "invalid_arguments":
            assert named <= {str(e["argument"]).split(".")[0] for e in error["details"]["errors"]}, error
        else:
            # A text may be an argument by position.
            assert arguments == "x" and run.status in (RunStatus.COMPLETED, RunStatus.FAILED), (arguments, error)
        assert error.get("tool", tool.spec.path) == tool.spec.path
    assert {p: p.read_bytes() for p in harness.workspace.rglob("*") if p.is_file()} == before
