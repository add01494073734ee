"""MCP servers of the configuration are tools like any other, once whoever wrote the configuration is trusted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from toolscript.agent.trust import Trust
from toolscript.harness import Harness

pytestmark = pytest.mark.anyio

SERVER = Path(__file__).resolve().parents[1] / "mcp_servers" / "proper.py"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config" / "toolscript"
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


TABLE = f"[mcp.proper]\ncommand = {json.dumps(sys.executable)}\nargs = [{json.dumps(str(SERVER))}]\n"


async def test_a_server_of_the_users_file_is_called_from_a_script(config, workspace):
    (config / "toolscript.toml").write_text(TABLE + 'approval = "approve"\n')
    async with Harness(workspace) as harness:
        run = await harness.run("return tools.mcp.proper.weather({place: 'Oslo'})")

    assert run.error is None, run.error
    assert "21.5" in json.dumps(run.result)


async def test_a_server_of_a_workspace_is_started_only_once_it_is_trusted(config, workspace):
    file = workspace / "toolscript.toml"
    file.write_text(TABLE)
    async with Harness(workspace) as harness:
        untrusted = [path for path in (t.spec.path for t in harness.registry) if path.startswith("mcp.")]
        notice = harness.configuration.notice
    Trust().grant(file, harness.configuration.workspace_file.digest)
    async with Harness(workspace) as harness:
        await harness.run("return 1")
        trusted = [path for path in (t.spec.path for t in harness.registry) if path.startswith("mcp.")]

    assert untrusted == []
    assert "is not trusted" in notice
    assert "mcp.proper.weather" in trusted
