"""Decides how the facade is printed: as TypeScript declarations, JSON schemas or an OpenAPI document."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import orjson
import typer

from toolscript.agent.configuration import FILE_NAME, SERVERS_NAME, user_file
from toolscript.errors import Json
from toolscript.registry.declarations import declarations
from toolscript.registry.openapi import openapi
from toolscript.registry.registry import Registry, installed_tools
from toolscript.registry.tool import Tool


def command(
    dts: Annotated[bool, typer.Option("--dts", help="Print TypeScript declarations (the default).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print names, effects and JSON schemas.")] = False,
    as_openapi: Annotated[bool, typer.Option("--openapi", help="Print an OpenAPI 3.1 document.")] = False,
    workspace: Annotated[Path, typer.Option(help="The directory whose MCP servers count.")] = Path(),
) -> None:
    """Print what scripts can call."""
    if dts + as_json + as_openapi > 1:
        raise typer.BadParameter("choose one of --dts, --json and --openapi")
    chosen = _offered(workspace)
    if as_json:
        _print([_described(t) for t in chosen])
    elif as_openapi:
        _print(openapi(chosen, version=version("toolscript")))
    else:
        sys.stdout.write(declarations(chosen, lazy=True, documented=True))


def _offered(workspace: Path) -> Sequence[Tool]:
    """Return the tools of the workspace; where no file could name a server, none has to be started."""
    user = user_file()
    files = (workspace / SERVERS_NAME, workspace / FILE_NAME, user, user.with_name("mcp.json"))
    if not any(path.is_file() for path in files):
        return Registry(installed_tools()).select()
    return asyncio.run(_with_servers(workspace))


async def _with_servers(workspace: Path) -> Sequence[Tool]:
    from toolscript.harness import Harness
    from toolscript_extension.cli.show import notify, notify_unserved
    from toolscript_extension.cli.streams import screen

    async with Harness(workspace=workspace) as harness:
        shown = screen(stderr=True)
        notify(harness.configuration, shown)
        await notify_unserved(harness, shown)
        return await harness.offered()


def _print(value: Json) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def _described(tool: Tool) -> dict[str, Json]:
    spec = tool.spec
    return {
        "name": spec.path,
        "wire_name": spec.wire_name,
        "doc": spec.doc,
        "effect": spec.effect.value,
        "approval": spec.ask.value,
        "packs": sorted(spec.packs),
        "lazy": spec.lazy,
        "input_schema": spec.input.schema,
        "output_schema": spec.output.schema,
    }
