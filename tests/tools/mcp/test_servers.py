"""Well-behaved servers: types, results, questions to a person, resources, cancelling, both transports."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import jsonschema
import mcp_types
import pytest
from tests.tools.mcp.world import SERVERS, World, only, proper, stopped

from toolscript.errors import ApprovalUnavailable, ConfigError, McpToolError, ToolError
from toolscript.registry.classification import Effect
from toolscript.registry.context import Answer, Question
from toolscript.registry.registry import Registry
from toolscript.registry.tool import Ask
from toolscript_tools.mcp import McpServer, McpServers
from toolscript_tools.mcp.tool import ask_of, effect_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_structured_content_comes_with_its_type_and_as_text_for_models(world: World) -> None:
    async with McpServers([proper()]) as servers:
        tool = await only(servers, "weather")
        output = await world.call(tool, {"place": "Rome"})

    assert output["structuredContent"] == {"place": "Rome", "degrees": 21.5}
    jsonschema.validate(output, tool.spec.output.schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"content": [], "structuredContent": {"place": 7}}, tool.spec.output.schema)
    assert tool.render({}, output) == '{"place": "Rome", "degrees": 21.5}'
    assert tool.spec.doc == "Tell the weather."
    assert tool.spec.wire_name == "mcp__proper__weather"


async def test_a_picture_reaches_the_script_as_it_is_and_the_model_as_a_data_url(world: World) -> None:
    async with McpServers([proper()]) as servers:
        tool = await only(servers, "picture")
        output = await world.call(tool)

    (block,) = output["content"]
    assert (block["type"], block["mimeType"]) == ("image", "image/png")
    assert f'"image_url": "data:image/png;base64,{block["data"]}"' in tool.render({}, output)


async def test_a_failing_tool_rejects_with_its_words(world: World) -> None:
    async with McpServers([proper()]) as servers:
        with pytest.raises(McpToolError, match=r"mcp\.proper\.fail: Error executing tool fail"):
            await world.call(await only(servers, "fail"))


@pytest.mark.parametrize("protocol", ["auto", "legacy"])
async def test_a_question_of_the_server_reaches_the_person_behind_the_call(protocol: str, tmp_path: Path) -> None:
    asked: list[Question] = []

    async def answer(question: Question) -> Answer:
        asked.append(question)
        return Answer(action="accept", content={"name": "Ada"})

    world = World(tmp_path, answer)
    async with McpServers([proper(protocol=protocol)]) as servers:
        output = await world.call(await only(servers, "greet"))

    assert output["structuredContent"] == {"result": "hello Ada"}
    assert asked[0].message == "MCP server 'proper' asks: What is your name?"
    assert asked[0].schema is not None and "name" in asked[0].schema["properties"]


@pytest.mark.parametrize("protocol", ["auto", "legacy"])
async def test_where_nobody_can_be_asked_the_server_is_told_so(protocol: str, tmp_path: Path) -> None:
    async def answer(question: Question) -> Answer:
        raise ApprovalUnavailable("nobody is there")

    async with McpServers([proper(protocol=protocol)]) as servers:
        output = await World(tmp_path, answer).call(await only(servers, "greet"))

    assert output["structuredContent"] == {"result": "no name: decline"}


async def test_a_persons_time_does_not_count_against_the_call(tmp_path: Path) -> None:
    async def answer(question: Question) -> Answer:
        await anyio.sleep(1.5)
        return Answer(action="decline")

    async with McpServers([proper(call_timeout=1)]) as servers:
        output = await World(tmp_path, answer).call(await only(servers, "greet"))

    assert output["structuredContent"] == {"result": "no name: decline"}


async def test_a_question_never_reaches_another_conversation(tmp_path: Path) -> None:
    asked: list[str] = []

    def person(name: str) -> World:
        async def answer(question: Question) -> Answer:
            asked.append(name)
            return Answer(action="accept", content={"name": name})

        return World(tmp_path, answer, conversation=name)

    async with McpServers([proper(protocol="legacy")]) as servers:
        slow, greet = await only(servers, "slow"), await only(servers, "greet")
        async with anyio.create_task_group() as group:
            started = anyio.Event()
            context = person("other").context()
            object.__setattr__(context, "emit", lambda stream, text: started.set())
            group.start_soon(slow.call, {"seconds": 30}, context)
            await started.wait()
            with pytest.raises(McpToolError):
                await person("mine").call(greet)
            group.cancel_scope.cancel()

    assert asked == []


async def test_cancelling_a_call_tells_the_server_and_leaves_it_running(world: World) -> None:
    async with McpServers([proper()]) as servers:
        slow, who = await only(servers, "slow"), await only(servers, "who")
        before = await world.call(who)
        async with anyio.create_task_group() as group:
            started = anyio.Event()
            context = world.context()
            object.__setattr__(context, "emit", lambda stream, text: started.set())
            group.start_soon(slow.call, {"seconds": 60}, context)
            await started.wait()
            group.cancel_scope.cancel()

        assert await world.call(who) == before


async def test_calls_run_at_the_same_time(world: World) -> None:
    async with McpServers([proper()]) as servers:
        slow = await only(servers, "slow")
        done: list[Any] = []

        async def one() -> None:
            done.append(await world.call(slow, {"seconds": 0.2}))

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(one)

    assert len(done) == 8


async def test_leaving_ends_every_process(world: World) -> None:
    async with McpServers([proper("one"), proper("two")]) as servers:
        pids = [
            (await world.call(tool))["structuredContent"]["result"]
            for tool in await servers.tools()
            if tool.spec.name == "who"
        ]
        assert [alive(pid) for pid in pids] == [True, True]

    assert [alive(pid) for pid in pids] == [False, False]


async def test_a_server_that_was_killed_is_back_with_the_next_call(world: World) -> None:
    async with McpServers([proper()]) as servers:
        who = await only(servers, "who")
        pid = (await world.call(who))["structuredContent"]["result"]
        os.kill(pid, 9)
        await stopped(servers)

        assert (await world.call(who))["structuredContent"]["result"] != pid


async def test_a_server_can_be_restarted_on_demand(world: World) -> None:
    async with McpServers([proper()]) as servers:
        who = await only(servers, "who")
        before = await world.call(who)
        await servers.restart("proper")

        assert await world.call(who) != before
        with pytest.raises(ConfigError, match="there are: proper"):
            await servers.restart("improper")


async def test_nothing_starts_before_tools_are_asked_for() -> None:
    async with McpServers([proper()]) as servers:
        assert [entry.state for entry in servers.status()] == ["not started"]


async def test_resources_are_listed_and_read(world: World) -> None:
    async with McpServers([proper()]) as servers:
        listed = await world.call(await only(servers, "listResources"))
        read = await world.call(await only(servers, "readResource"), {"uri": "memo://today"})

    assert [resource["uri"] for resource in listed["resources"]] == ["memo://today"]
    assert read == {"contents": [{"uri": "memo://today", "mimeType": "text/plain", "text": "feed the cat"}]}


async def test_a_resource_that_is_a_file_is_read_by_the_rules_for_files(world: World, tmp_path: Path) -> None:
    async with McpServers([proper()]) as servers:
        tool = await only(servers, "readResource")
        parsed = tool.spec.input.parse("", {"uri": "file:///etc/passwd"})

        classified = await tool.classify(parsed, world.context())
        assert [str(effect.path) for effect in classified.outside] == ["/etc/passwd"]
        with pytest.raises(ToolError) as caught:
            await tool.call(parsed, world.context())

    assert caught.value.code == "outside_workspace"


async def test_a_registry_is_kept_in_step(world: World) -> None:
    registry = Registry()
    async with McpServers([proper(disabled_tools=("fail",), lazy=True)]) as servers:
        await servers.offer(registry)
        paths = {tool.spec.path for tool in registry}
        await servers.restart("proper")
        assert {tool.spec.path for tool in registry} == paths

    assert {"mcp.proper.weather", "mcp.proper.readResource"} <= paths
    assert "mcp.proper.fail" not in paths
    assert all(tool.spec.lazy for tool in registry)


@pytest.mark.parametrize("protocol", ["auto", "legacy"])
async def test_a_tool_that_comes_later_is_registered_when_the_server_says_so(protocol: str, world: World) -> None:
    registry = Registry()
    async with McpServers([proper(protocol=protocol)]) as servers:
        await servers.offer(registry)
        grown = anyio.Event()
        registry.subscribe(lambda: grown.set() if "mcp.proper.grown" in registry else None)
        await world.call(registry.get("mcp.proper.grow"))
        with anyio.fail_after(20):
            await grown.wait()

        assert registry.get("mcp.proper.grown").spec.doc == "It was not there before."


async def test_a_name_that_somebody_else_has_costs_only_that_tool(world: World) -> None:
    async with McpServers([proper("proper")]) as first, McpServers([proper("proper")]) as servers:
        taken = await only(first, "weather")
        registry = Registry(
            [
                dataclasses.replace(
                    taken, spec=dataclasses.replace(taken.spec, namespace=(), name="mcp__proper__weather")
                )
            ]
        )
        await servers.offer(registry)
        (status,) = servers.status()

    assert {"mcp__proper__weather", "mcp.proper.who"} <= {tool.spec.path for tool in registry}
    assert "mcp.proper.weather" not in registry
    assert "registered twice" in status.stderr


HINTS = [
    ({}, Effect.NETWORK, Ask.ALWAYS),
    ({"read_only_hint": True}, Effect.READ, Ask.BY_POLICY),
    ({"read_only_hint": True, "destructive_hint": True}, Effect.READ, Ask.ALWAYS),
    ({"destructive_hint": False}, Effect.NETWORK, Ask.ALWAYS),
    ({"destructive_hint": False, "open_world_hint": False}, Effect.WRITE, Ask.BY_POLICY),
    ({"open_world_hint": False}, Effect.WRITE, Ask.ALWAYS),
]


@pytest.mark.parametrize(("hints", "effect", "ask"), HINTS)
async def test_what_a_server_says_of_its_tool_decides_whether_it_asks(
    hints: dict[str, bool], effect: Effect, ask: Ask
) -> None:
    annotations = mcp_types.ToolAnnotations(**hints)

    assert (effect_of(annotations), ask_of(annotations, "auto")) == (effect, ask)
    assert ask_of(annotations, "prompt") is Ask.ALWAYS
    assert ask_of(annotations, "approve") is Ask.NEVER
    assert ask_of(annotations, "writes") is (Ask.BY_POLICY if hints.get("read_only_hint") else Ask.ALWAYS)


@pytest.fixture
def address() -> Iterator[str]:
    """The address of the well-behaved server, running on HTTP."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(SERVERS / "proper.py"), str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if b"running on" in line:
                break
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("protocol", ["auto", "legacy"])
async def test_a_server_is_reached_by_http(address: str, protocol: str, tmp_path: Path) -> None:
    async def answer(question: Question) -> Answer:
        return Answer(action="accept", content={"name": "Ada"})

    world = World(tmp_path, answer)
    async with McpServers([McpServer(name="web", url=address, protocol=protocol)]) as servers:
        weather = await world.call(await only(servers, "weather"), {"place": "Rome"})
        greeting = await world.call(await only(servers, "greet"))
        await world.call(await only(servers, "slow"), {"seconds": 0.01})

    assert weather["structuredContent"]["degrees"] == 21.5
    assert greeting["structuredContent"] == {"result": "hello Ada"}
    assert world.heard == ["progress: 1/2 half\n"]


async def test_a_machines_metadata_is_refused_before_anything_is_looked_up(world: World) -> None:
    server = McpServer.model_construct(name="web", url="http://169.254.169.254/mcp")
    async with McpServers([server]) as servers:
        assert await servers.tools() == []
        assert "never reached" in servers.status()[0].problem
