"""Servers from the registries, as people use them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from tests.oracles import npm_program
from tests.tools.mcp.world import World

from toolscript.errors import McpToolError
from toolscript.registry.classification import Effect
from toolscript.registry.registry import Registry
from toolscript.registry.tool import Ask
from toolscript_tools.mcp import McpServer, McpServers

pytestmark = pytest.mark.anyio


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def from_pypi(module: str, *args: str) -> McpServer:
    pytest.importorskip(module)
    name = module.removeprefix("mcp_server_")
    return McpServer(name=name, command=sys.executable, args=("-m", module, *args), startup_timeout=60)


def from_npm(program: str, *args: str) -> McpServer:
    command = npm_program(program)
    return McpServer(name=program.removeprefix("mcp-server-"), command=command, args=args, startup_timeout=60)


async def test_mcp_server_time_tells_the_time_with_its_type(world: World) -> None:
    async with McpServers([from_pypi("mcp_server_time")]) as servers:
        registry = Registry(await servers.tools())
        output = await world.call(registry.get("mcp.time.get_current_time"), {"timezone": "Europe/Rome"})

        spec = registry.get("mcp.time.convert_time").spec
        assert (spec.effect, spec.ask) == (Effect.READ, Ask.BY_POLICY)
        with pytest.raises(McpToolError):
            await world.call(registry.get("mcp.time.get_current_time"), {"timezone": "Nowhere/Land"})

    assert output["structuredContent"]["timezone"] == "Europe/Rome"


def repository_with_a_change(path: Path) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    (path / "file").write_text("one\n")
    for command in (["init"], ["add", "."], ["commit", "-m", "first"]):
        subprocess.run(["git", *identity, *command], cwd=path, check=True, capture_output=True)
    (path / "file").write_text("two\n")


async def test_mcp_server_git_reads_and_writes_a_repository(world: World, tmp_path: Path) -> None:
    server = from_pypi("mcp_server_git")
    repository_with_a_change(tmp_path)

    async with McpServers([server]) as servers:
        registry = Registry(await servers.tools())
        repository = {"repo_path": str(tmp_path)}
        status = await world.call(registry.get("mcp.git.git_status"), repository)
        await world.call(registry.get("mcp.git.git_add"), {**repository, "files": ["file"]})
        diff = await world.call(registry.get("mcp.git.git_diff_staged"), repository)

        asks = {tool.spec.name: tool.spec.ask for tool in registry}
        assert (asks["git_reset"], asks["git_status"]) == (Ask.ALWAYS, Ask.BY_POLICY)

    assert "modified:   file" in status["content"][0]["text"]
    assert "-one\n+two" in diff["content"][0]["text"]


async def test_server_filesystem_is_told_the_workspace_and_stays_in_it(world: World, tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/a.txt").write_text("hello\n")
    server = from_npm("mcp-server-filesystem", str(tmp_path))

    async with McpServers([server], roots=[tmp_path / "inside"]) as servers:
        registry = Registry(await servers.tools())
        allowed = registry.get("mcp.filesystem.list_allowed_directories")
        with anyio.fail_after(20):
            # It learns the roots by a question of its own, after it has come up.
            while f"{tmp_path}/inside" not in (text := str(await world.call(allowed))):
                await anyio.sleep(0.05)
        read = await world.call(registry.get("mcp.filesystem.read_text_file"), {"path": f"{tmp_path}/inside/a.txt"})
        with pytest.raises(McpToolError, match="outside allowed directories"):
            await world.call(registry.get("mcp.filesystem.read_text_file"), {"path": "/etc/passwd"})

    assert "passwd" not in text
    assert read["content"] == [{"type": "text", "text": "hello\n"}]


async def test_server_everything_shows_pictures_resources_progress_and_structure(world: World) -> None:
    async with McpServers([from_npm("mcp-server-everything", "stdio")]) as servers:
        registry = Registry(await servers.tools())

        def tool(name: str):  # type: ignore[no-untyped-def]
            return registry.get(f"mcp.everything.{name}")

        total = await world.call(tool("get_sum"), {"a": 2, "b": 3})
        structured = await world.call(tool("get_structured_content"), {"location": "Chicago"})
        image = await world.call(tool("get_tiny_image"))
        await world.call(tool("trigger_long_running_operation"), {"duration": 1, "steps": 2})
        links = await world.call(tool("get_resource_links"), {"count": 2})
        uri = next(block["uri"] for block in links["content"] if block["type"] == "resource_link")
        read = await world.call(tool("readResource"), {"uri": uri})

    assert "5" in total["content"][0]["text"]
    assert set(structured["structuredContent"]) >= {"temperature", "conditions"}
    assert "image" in [block["type"] for block in image["content"]]
    assert world.heard[:1] == ["progress: 1/2\n"]
    assert read["contents"][0]["uri"] == uri
