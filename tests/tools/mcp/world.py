"""Servers to test against, and what a call gets as its world."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from toolscript.files.disk import DiskFiles
from toolscript.registry.context import Answer, Question, ToolContext
from toolscript.registry.tool import Tool
from toolscript_tools.mcp import McpServer, McpServers

SERVERS = Path(__file__).parents[2] / "mcp_servers"


def raw(mode: str, *args: str, **settings: Any) -> McpServer:
    """Return the misbehaving server of this mode."""
    program = str(SERVERS / "raw.py")
    return McpServer(name=mode, command=sys.executable, args=(program, mode, *args), **settings)


def proper(name: str = "proper", **settings: Any) -> McpServer:
    """Return the well-behaved server."""
    return McpServer(name=name, command=sys.executable, args=(str(SERVERS / "proper.py"),), **settings)


@dataclass
class World:
    """One caller: what it answers and what it hears."""

    root: Path
    answer: Callable[[Question], Awaitable[Answer]] | None = None
    conversation: str = "c1"
    heard: list[str] = field(default_factory=list)

    def context(self, **more: Any) -> ToolContext:
        """Return the context of a call."""
        if self.answer is not None:
            more["ask"] = self.answer
        return ToolContext(
            cwd=self.root,
            roots=(self.root,),
            files=DiskFiles([self.root]),
            conversation_id=self.conversation,
            emit=lambda stream, text: self.heard.append(f"{stream}: {text}"),
            **more,
        )

    async def call(self, tool: Tool, arguments: dict[str, Any] | None = None, **more: Any) -> Any:
        """Check the arguments, call, and return the output as a script sees it."""
        parsed = tool.spec.input.parse(tool.spec.path, arguments if arguments is not None else {})
        return tool.spec.output.dump(await tool.call(parsed, self.context(**more)))


async def only(servers: McpServers, name: str | None = None) -> Tool:
    """Return the one tool that the servers offer, or the one of this name."""
    tools = await servers.tools()
    if name is None:
        assert len(tools) == 1, servers.status()
        return tools[0]
    (tool,) = [tool for tool in tools if tool.spec.name == name] or [servers.status()]
    assert not isinstance(tool, tuple), tool
    return tool


async def stopped(servers: McpServers) -> None:
    """Wait until the one server is found not to run; what a process does to itself cannot be waited for otherwise."""
    with anyio.fail_after(20):
        while servers.status()[0].state == "running":
            await anyio.sleep(0.02)
