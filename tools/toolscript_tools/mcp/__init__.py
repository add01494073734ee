"""Decides what others may use of the MCP client: servers, their configuration, and the rules for addresses."""

from toolscript_tools.mcp.config import McpServer, servers_from_json, servers_from_table
from toolscript_tools.mcp.servers import McpServers, ServerStatus
from toolscript_tools.mcp.source import source
from toolscript_tools.mcp.urls import addresses, checked_url

__all__ = [
    "McpServer",
    "McpServers",
    "ServerStatus",
    "addresses",
    "checked_url",
    "servers_from_json",
    "servers_from_table",
    "source",
]
