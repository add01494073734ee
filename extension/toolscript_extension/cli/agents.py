"""Decides how agents are listed and a workspace's configuration is trusted from a shell."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from toolscript.agent.configuration import FILE_NAME, SERVERS_NAME, Configuration, load
from toolscript.agent.trust import Trust
from toolscript.errors import ConfigError
from toolscript.language.inert import visible
from toolscript_extension.cli.streams import screen

Workspace = Annotated[Path, typer.Option(help="The directory whose toolscript.toml counts.")]


def agents_command(workspace: Workspace = Path()) -> None:
    """List the configured agents; the one that would answer is marked."""
    configuration = load(workspace.resolve())
    chosen = configuration.choose()
    console = screen()
    console.print(_table(configuration, chosen.agent.id))
    for note in filter(None, (chosen.note, configuration.notice)):
        console.print(Text(visible(f"\n{note}")), highlight=False)


def _table(configuration: Configuration, chosen: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "agent", "provider", "model", "policy", "key"):
        table.add_column(heading)
    for name, agent in sorted(configuration.agents.items()):
        key = agent.api_key_env or ""
        state = "none needed" if not key else f"{key} is {'set' if agent.key(os.environ) else 'not set'}"
        row = ("*" if name == chosen else "", name, agent.provider, agent.model, agent.policy.value, state)
        table.add_row(*(Text(visible(cell)) for cell in row))
    return table


def trust_command(
    file: Annotated[Path, typer.Argument(help="A workspace's toolscript.toml or .mcp.json.")] = Path("toolscript.toml"),
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the trust back.")] = False,
) -> None:
    """Trust a workspace's configuration as it is now, until the file changes.

    Without trust, such a file may only tighten what you allow; everything else in it has no effect.
    """
    if revoke:
        typer.echo(f"{file}: {'not trusted any more' if Trust().revoke(file) else 'it was not trusted'}")
        return
    if file.name not in (FILE_NAME, SERVERS_NAME):
        raise ConfigError(
            f"{file} is no configuration: only a workspace's {FILE_NAME} or {SERVERS_NAME} can be trusted"
        )
    try:
        digest = sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    Trust().grant(file, digest)
    typer.echo(f"{file}: trusted as it is now")
