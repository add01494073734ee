"""A well-behaved MCP server made with the SDK: elicitation, resources, progress, structure; stdio or HTTP."""

from __future__ import annotations

import base64
import os
import sys
from typing import Annotated

import anyio
from mcp.server import MCPServer
from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context, Elicit, Image, Resolve
from mcp_types import ToolAnnotations
from pydantic import BaseModel

server = MCPServer("proper")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Weather(BaseModel):
    """The weather somewhere."""

    place: str
    degrees: float


class Name(BaseModel):
    """What a person is asked for."""

    name: str


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def weather(place: str) -> Weather:
    """Tell the weather."""
    return Weather(place=place, degrees=21.5)


@server.tool()
def who() -> int:
    """Tell the process."""
    return os.getpid()


@server.tool()
def picture() -> Image:
    """Show a pixel."""
    return Image(data=PIXEL, format="png")


def ask_name() -> Elicit[Name]:
    """Ask who it is."""
    return Elicit("What is your name?", Name)


@server.tool()
async def greet(answer: Annotated[ElicitationResult[Name], Resolve(ask_name)]) -> str:
    """Ask for a name and greet."""
    return f"hello {answer.data.name}" if isinstance(answer, AcceptedElicitation) else f"no name: {answer.action}"


@server.tool()
async def slow(seconds: float, ctx: Context) -> str:
    """Take a while."""
    await ctx.report_progress(1, 2, "half")
    await anyio.sleep(seconds)
    return "done"


@server.tool()
async def grow(ctx: Context) -> str:
    """Offer one more tool from now on."""
    server.add_tool(lambda: "here", name="grown", description="It was not there before.")
    await ctx.notify_tools_changed()
    await ctx.session.send_tool_list_changed()
    return "grown"


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("this one always fails")


@server.resource("memo://today")
def memo() -> str:
    """What is to be done today."""
    return "feed the cat"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run("stdio")
