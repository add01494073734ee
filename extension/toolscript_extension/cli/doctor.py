"""Decides how the machine's fitness is told: what is there, what is missing, and what follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import anyio
import orjson
import typer
from rich.table import Table
from rich.text import Text

from toolscript.agent.configuration import Configuration, load
from toolscript.confine.report import Finding, findings
from toolscript.errors import ConfigError
from toolscript.language.inert import visible
from toolscript.parts import open_servers
from toolscript.registry.registry import Registry
from toolscript.runtime.fitness import workers
from toolscript.served import fares
from toolscript_extension.cli.streams import screen


def command(as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Say what this machine offers, and what is missing."""
    found = [*findings(), *_configured()]
    if as_json:
        typer.echo(orjson.dumps([_data(f) for f in found], option=orjson.OPT_INDENT_2).decode())
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("", "feature", "what follows"):
        table.add_column(heading)
    for finding in found:
        mark = Text("✓", style="green") if finding.available else Text("✗", style="red")
        table.add_row(mark, Text(visible(finding.feature)), Text(visible(finding.consequence)))
    screen().print(table)


def _configured() -> list[Finding]:
    """Try the workers and servers that are configured here; a configuration that cannot be used is a finding."""
    try:
        configuration = load(Path.cwd())
        servers = anyio.run(_servers, configuration)
    except ConfigError as error:
        return [Finding(feature="configuration", available=False, consequence=error.message)]
    return [*anyio.run(workers, configuration.workers.engine), *servers]


async def _servers(configuration: Configuration) -> list[Finding]:
    """Start the MCP servers that would be started here, and end them again."""
    opening = open_servers(configuration, Path.cwd())
    if opening is None:
        return []
    async with opening as source:
        await source.offer(Registry())
        return [
            Finding(feature=f"MCP server {s.name}", available=s.state == "running", consequence=fares(s))
            for s in source.status()
        ]


def _data(finding: Finding) -> dict[str, object]:
    return {"feature": finding.feature, "available": finding.available, "consequence": finding.consequence}
