"""Decides how a server's tool becomes a tool of ours: its declaration, when it asks, and how it is called."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import mcp_types
from mcp import Client

from toolscript.errors import Json, ToolError
from toolscript.registry.classification import Classification, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.foreign import Check
from toolscript.registry.tool import Ask, ToolSpec
from toolscript_tools.mcp.calls import Call
from toolscript_tools.mcp.clean import clean
from toolscript_tools.mcp.config import Approval, McpServer
from toolscript_tools.mcp.connection import Connection
from toolscript_tools.mcp.content import delivered, rendered
from toolscript_tools.mcp.schema import input_shape, output_check, output_shape


@dataclass(frozen=True, slots=True)
class McpTool:
    """One tool of one server; its schemas are the server's, cleaned."""

    spec: ToolSpec
    connection: Connection
    remote: str
    definition: str
    check: Check

    async def classify(self, arguments: Json, context: ToolContext) -> Classification:
        """Say what the server says of its tool; what it really does cannot be known."""
        return Classification(
            effect=self.spec.effect,
            summary=f"call {self.remote} of MCP server {self.connection.server.name}",
            reasons=self.spec.extra["hints"],
            undoable=self.spec.effect is Effect.READ,
            remember=self.spec.path,
        )

    async def call(self, arguments: Json, context: ToolContext) -> Json:
        """Call it on the server, which is started again if it has died. Raises ToolError."""

        async def send(client: Client, call: Call) -> mcp_types.CallToolResult:
            return await client.call_tool(self.remote, arguments or None, progress_callback=call.progress)

        self._still_the_same(await self.connection.listing())
        result = await self.connection.request(self.spec.path, send, context)
        return delivered(self.spec.path, result, self.check, context)

    def render(self, arguments: Json, output: Json) -> str:
        """Return the structured content as JSON, else the blocks."""
        return rendered(output)

    def _still_the_same(self, listing: dict[str, mcp_types.Tool]) -> None:
        path = f"{self.connection.server.name}/{self.remote}"
        if (tool := listing.get(self.remote)) is None:
            raise ToolError(f"MCP tool `{path}` is not available to the model", tool=self.spec.path, code="unavailable")
        if definition_of(tool) != self.definition:
            message = f"MCP tool `{path}` is declared otherwise now than when the call was decided; call it again"
            raise ToolError(message, tool=self.spec.path, code="changed")


def tool_of(connection: Connection, server_key: str, key: str, tool: mcp_types.Tool) -> McpTool:
    """Return our tool for a server's."""
    server = connection.server
    hints = tool.annotations or mcp_types.ToolAnnotations()
    path = f"mcp.{server_key}.{key}"
    spec = ToolSpec(
        name=key,
        namespace=("mcp", server_key),
        doc=_doc(server, tool),
        effect=effect_of(hints),
        ask=ask_of(hints, server.approval_of(tool.name)),
        input=input_shape(path, tool.input_schema),
        output=output_shape(tool.output_schema),
        lazy=server.lazy,
        extra={"server": server.name, "tool": tool.name, "hints": _told(hints)},
    )
    return McpTool(spec, connection, tool.name, definition_of(tool), output_check(tool.output_schema))


def definition_of(tool: mcp_types.Tool) -> str:
    """Return a digest of all that a server declares of a tool."""
    data = tool.model_dump(mode="json", by_alias=True, exclude={"meta", "icons"})
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def effect_of(hints: mcp_types.ToolAnnotations) -> Effect:
    """Return what a tool can do at most, as far as its server says; what it does not say counts as the worst."""
    if hints.read_only_hint:
        return Effect.READ
    return Effect.WRITE if hints.open_world_hint is False else Effect.NETWORK


def ask_of(hints: mcp_types.ToolAnnotations, approval: Approval) -> Ask:
    """Return when a tool asks, by the mode that is configured and what its server says of it."""
    match approval:
        case "approve":
            return Ask.NEVER
        case "prompt":
            return Ask.ALWAYS
        case "writes":
            return Ask.BY_POLICY if hints.read_only_hint else Ask.ALWAYS
    if hints.destructive_hint:
        return Ask.ALWAYS
    harmless = hints.destructive_hint is False and hints.open_world_hint is False
    return Ask.BY_POLICY if hints.read_only_hint or harmless else Ask.ALWAYS


def _doc(server: McpServer, tool: mcp_types.Tool) -> str:
    title = tool.title or (tool.annotations.title if tool.annotations else None)
    words = tool.description or title or f"{tool.name} of MCP server {server.name}."
    return clean(words).strip() or clean(tool.name, 100)


def _told(hints: mcp_types.ToolAnnotations) -> tuple[str, ...]:
    said = {
        "it only reads": hints.read_only_hint,
        "it may destroy": hints.destructive_hint,
        "it reaches beyond its own things": hints.open_world_hint,
    }
    return tuple(f"the server says: {words}" for words, hint in said.items() if hint)
