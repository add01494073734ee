"""Decides what a harness is made of: all that it loads once the process that workers descend from has begun to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from toolscript.agent.configuration import SERVERS_NAME, Configuration, load, user_file
from toolscript.approvals.bridge import Bridge
from toolscript.approvals.socket import OwnerSocket
from toolscript.confine.command import Commands
from toolscript.errors import ConfigError
from toolscript.facade.large import original, reference
from toolscript.facade.scope import World
from toolscript.facade.store import Store
from toolscript.facade.tasks import TaskBoard
from toolscript.files.hidden import hidden_directories
from toolscript.journal.redact import secret_values
from toolscript.journal.spares import Spares
from toolscript.journal.state import run_name, run_path, runs_dir, state_dir, sweep
from toolscript.journal.writer import DiskJournal
from toolscript.language.cache import ScriptCache
from toolscript.metrics import hit_rates
from toolscript.registry.context import SandboxMode
from toolscript.registry.registry import Registry, installed_tools
from toolscript.registry.sources import ToolSource, open_source
from toolscript.run import Run
from toolscript.runner import Origin, Runner
from toolscript.runtime.pool import Pool
from toolscript.served import Served
from toolscript.workshop import Journals, Order, Workshop

if TYPE_CHECKING:
    from toolscript.agent.config import AgentConfig
    from toolscript.approvals.rules import Rule
    from toolscript.errors import Json
    from toolscript.models.adapter import ModelAdapter

_REST_SECONDS = 0.05
"""How long the first script has the processors for itself, before anything is done ahead of its need."""

__all__ = [
    "Bridge",
    "Commands",
    "DiskJournal",
    "Journals",
    "Order",
    "Origin",
    "OwnerSocket",
    "Pool",
    "Registry",
    "Run",
    "Runner",
    "SandboxMode",
    "ScriptCache",
    "Served",
    "Spares",
    "Store",
    "TaskBoard",
    "Workshop",
    "World",
    "adapter_of",
    "hidden_directories",
    "hit_rates",
    "installed_tools",
    "learn_ahead",
    "load",
    "open_servers",
    "original",
    "reference",
    "rules_of",
    "run_name",
    "run_path",
    "runs_dir",
    "secret_values",
    "state_dir",
    "sweep",
]


def rules_of(entries: Sequence[Mapping[str, Json]], source: str) -> tuple[Rule, ...]:
    """Return the rules of a configuration's list, mostly none. Raises ConfigError naming the entry."""
    if not entries:
        return ()
    from toolscript.approvals.rules import read_rules

    return read_rules(entries, source=source)


def server_files(configuration: Configuration, workspace: Path) -> tuple[Path, ...]:
    """Return the usual JSON files of MCP servers: the user's own, and the workspace's once it is trusted."""
    found = [user_file().parent / "mcp.json"]
    if configuration.untrusted_servers is None:
        found.append(workspace / SERVERS_NAME)
    return tuple(path for path in found if path.is_file())


def open_servers(configuration: Configuration, workspace: Path) -> AbstractAsyncContextManager[ToolSource] | None:
    """Return the configured MCP servers, None where there are none. Raises ConfigError naming file and line."""
    try:
        return open_source("mcp", configuration.mcp, (workspace,), server_files(configuration, workspace))
    except ConfigError as error:
        raise configuration.located(error) from None


def adapter_of(config: AgentConfig, recordings: tuple[Path, ...]) -> ModelAdapter:
    """Return the way to an agent's model, which knows these recordings, too. Raises ConfigError."""
    from toolscript.models.found import adapter_for

    settings = config.provider_settings()
    return adapter_for(config.provider, replace(settings, recordings=(*settings.recordings, *recordings)))


async def learn_ahead(pool: Pool) -> None:
    """Learn what can confine commands here, once the first worker is there, so that the first command need not."""
    await pool.filled.wait()
    await anyio.sleep(_REST_SECONDS)
    from toolscript.confine.modes import means

    await anyio.to_thread.run_sync(means)
