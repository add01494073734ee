"""Decides how a server's resources are listed and read, under the rules for files where they are files."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import mcp_types
from mcp import Client
from pydantic import Field

from toolscript.errors import Json, ToolError
from toolscript.registry.classification import Classification, Effect, PathEffect
from toolscript.registry.context import ToolContext
from toolscript.registry.files import Place
from toolscript.registry.shape import Shape
from toolscript.registry.tool import ToolModel, ToolSpec
from toolscript_tools.mcp.calls import Call
from toolscript_tools.mcp.clean import clean
from toolscript_tools.mcp.connection import Connection
from toolscript_tools.mcp.content import contents


class ReadInput(ToolModel):
    """The arguments of readResource."""

    uri: str = Field(min_length=1, max_length=8_192, description="The resource's URI, as the server spells it")


class McpContents(ToolModel):
    """A resource's contents: each part with text or base64 blob, or the handle of a large one."""

    contents: list[dict[str, Json]] = Field(description="Parts: {uri, mimeType?, text? | blob? | handle? & bytes}")


class ListInput(ToolModel):
    """The arguments of listResources."""

    cursor: str | None = Field(default=None, description="`nextCursor` of the page before")


class McpResource(ToolModel):
    """One resource that a server offers."""

    uri: str
    name: str
    description: str | None = None
    mime_type: str | None = None


class McpResources(ToolModel):
    """One page of resources."""

    resources: list[McpResource]
    next_cursor: str | None = Field(default=None, description="Given when there are more")


@dataclass(frozen=True, slots=True)
class ReadResource:
    """Reads one resource of one server."""

    spec: ToolSpec
    connection: Connection

    async def classify(self, arguments: ReadInput, context: ToolContext) -> Classification:
        """Say which file it is, where the URI names one on this machine."""
        place = _file(arguments.uri, context)
        paths = () if place is None else (PathEffect(path=place.path, kind="read", inside=place.inside),)
        summary = f"read {clean(arguments.uri, 300)} of MCP server {self.connection.server.name}"
        return Classification(effect=Effect.READ, paths=paths, summary=summary, remember=arguments.uri)

    async def call(self, arguments: ReadInput, context: ToolContext) -> McpContents:
        """Read it through the server. Raises ToolError, ``outside_workspace`` for a file that is not to be read."""

        async def send(client: Client, call: Call) -> mcp_types.ReadResourceResult:
            return await client.read_resource(arguments.uri)

        if (place := _file(arguments.uri, context)) is not None and context.files.on_disk(place) is None:
            raise ToolError("the server would not see what the plan has changed", tool=self.spec.path, code="planned")
        result = await self.connection.request(self.spec.path, send, context)
        return McpContents(**contents(self.spec.path, result, context))

    def render(self, arguments: ReadInput, output: McpContents) -> str:
        """Return the parts as JSON."""
        return output.model_dump_json()


@dataclass(frozen=True, slots=True)
class ListResources:
    """Lists the resources of one server."""

    spec: ToolSpec
    connection: Connection

    async def classify(self, arguments: ListInput, context: ToolContext) -> Classification:
        """A list is a read."""
        summary = f"list the resources of MCP server {self.connection.server.name}"
        return Classification(effect=Effect.READ, summary=summary, remember=self.spec.path)

    async def call(self, arguments: ListInput, context: ToolContext) -> McpResources:
        """Return one page. Raises ToolError."""

        async def send(client: Client, call: Call) -> mcp_types.ListResourcesResult:
            return await client.list_resources(cursor=arguments.cursor)

        page = await self.connection.request(self.spec.path, send, context)
        listed = [
            McpResource(
                uri=resource.uri,
                name=clean(resource.name, 200),
                description=clean(resource.description) if resource.description else None,
                mime_type=resource.mime_type,
            )
            for resource in page.resources
        ]
        return McpResources(resources=listed, next_cursor=page.next_cursor)

    def render(self, arguments: ListInput, output: McpResources) -> str:
        """Return the page as JSON."""
        return output.model_dump_json(by_alias=True, exclude_none=True)


def resource_tools(connection: Connection, server_key: str, taken: set[str]) -> list[ReadResource | ListResources]:
    """Return the two tools for a server's resources; names that its own tools have get an underscore."""
    name = connection.server.name
    lazy = connection.server.lazy
    doc = f"Read a resource of MCP server {clean(name, 200)}."
    reading = _spec(server_key, _free("readResource", taken), doc, ReadInput, McpContents, lazy=lazy)
    doc = f"List the resources of MCP server {clean(name, 200)}."
    listing = _spec(server_key, _free("listResources", taken), doc, ListInput, McpResources, lazy=lazy)
    return [ReadResource(reading, connection), ListResources(listing, connection)]


def _spec(key: str, name: str, doc: str, given: type, answer: type, *, lazy: bool) -> ToolSpec:
    return ToolSpec(
        name=name, namespace=("mcp", key), doc=doc, effect=Effect.READ, input=Shape.of(given), output=Shape.of(answer),
        lazy=lazy,
    )  # fmt: skip


def _free(key: str, taken: set[str]) -> str:
    while key in taken:
        key += "_"
    return key


def _file(uri: str, context: ToolContext) -> Place | None:
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise ToolError(f"not a URI: {uri!r}", code="bad_path") from None
    if parts.scheme.lower() != "file":
        return None
    return context.files.place(unquote(parts.path) or "/", context.cwd)
