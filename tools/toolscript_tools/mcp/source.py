"""Decides which MCP servers a configuration names, in toolscript.toml and in the usual JSON files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from toolscript.errors import ConfigError, Json
from toolscript_tools.mcp.config import servers_from_json, servers_from_table
from toolscript_tools.mcp.servers import McpServers


def source(table: Mapping[str, Json], roots: Sequence[Path], files: Sequence[Path]) -> McpServers:
    """Return the configured servers; a server of ``toolscript.toml`` wins over one of a file with its name.

    Raises ConfigError naming file, server and key.
    """
    servers = {server.name: server for path in files for server in servers_from_json(_text(path), source=str(path))}
    servers |= {server.name: server for server in servers_from_table(table, source="toolscript.toml")}
    return McpServers(servers.values(), roots=roots)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
