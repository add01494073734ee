"""What a script, a model and a person learn of a server that does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolscript.errors import ConfigError, ToolError, UnknownTool
from toolscript.harness import Harness
from toolscript.parts import open_servers

pytestmark = pytest.mark.anyio


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder of configuration; one server in it does not start."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "toolscript"
    folder.mkdir(parents=True)
    (tmp_path / "work").mkdir()
    (folder / "toolscript.toml").write_text('[mcp.git]\ncommand = ["no-such-program"]\n')
    return folder


async def test_calls_of_its_tools_say_why_and_count_like_any_call(config: Path, tmp_path: Path) -> None:
    script = """
    const codes = [];
    for (const name of ["git_status", "git_log"]) {
      try { await tools.mcp.git[name]({}); } catch (error) { codes.push(error.code); }
    }
    return codes;
    """
    async with Harness(tmp_path / "work") as harness:
        twice = await harness.run(script)
        once = await harness.run(script, limits={"calls": 1})

    assert twice.result == ["mcp_not_started"] * 2
    assert once.result == ["mcp_not_started", "call_limit"]


async def test_the_registry_says_why_under_both_names_and_knows_no_other_server(config: Path, tmp_path: Path) -> None:
    async with Harness(tmp_path / "work") as harness:
        failures = await harness.served.failures()
        for find, name in ((harness.registry.get, "mcp.git.x"), (harness.registry.by_wire_name, "mcp__git__x")):
            with pytest.raises(ToolError, match="there is no program 'no-such-program'") as caught:
                find(name)
            assert caught.value.code == "mcp_not_started"
        for name in ("mcp.other.x", "git.x", "mcp"):
            with pytest.raises(UnknownTool):
                harness.registry.get(name)

    assert failures == ("MCP server 'git' did not start: there is no program 'no-such-program'",)


async def test_a_directory_that_is_not_there_is_no_missing_program(config: Path, tmp_path: Path) -> None:
    (config / "toolscript.toml").write_text(f'[mcp.git]\ncommand = ["sh"]\ncwd = "{tmp_path}/nowhere"\n')
    async with Harness(tmp_path / "work") as harness:
        assert await harness.served.failures() == (
            f"MCP server 'git' did not start: there is no directory '{tmp_path}/nowhere'",
        )


async def test_where_no_server_is_configured_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    async with Harness(tmp_path) as harness:
        assert await harness.served.failures() == ()
        assert harness.served.told() == ""


def test_a_mistake_in_another_file_is_not_looked_for_in_ours(config: Path, tmp_path: Path) -> None:
    (config / "mcp.json").write_text('{"mcpServers": {"git": {"url": "nowhere", "command": "sh"}}}')
    harness = Harness(tmp_path / "work")
    with pytest.raises(ConfigError) as caught:
        open_servers(harness.configuration, tmp_path / "work")

    assert caught.value.message.startswith(f"{config / 'mcp.json'}: server 'git': give either a command")
