"""Decides what holds when defaults, the user's file, the environment and a workspace's file are put together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic import Field

from toolscript.agent.config import DEFAULTS, AgentConfig, Choice, Frozen, choose
from toolscript.agent.trust import Trust
from toolscript.agent.workers import Workers
from toolscript.errors import ConfigError, Json
from toolscript.limits import Limits

if TYPE_CHECKING:
    from toolscript.agent.toml_file import TomlFile

FILE_NAME = "toolscript.toml"
PREFIX = "TOOLSCRIPT_"
"""What the names of environment variables begin with that are settings."""
SERVERS_NAME = ".mcp.json"
HOSTING = ("openai-responses", "anthropic-messages")
Tables = dict[str, dict[str, Json]]
_MERGED = frozenset({"limits", "settings"})
"""Settings that are tables themselves: a file changes the entries it names, and no others."""


class _Tables(Frozen):
    """What a configuration file may hold at its top."""

    default_agent: str | None = None
    agents: Tables = Field(default_factory=dict)
    rules: tuple[dict[str, Json], ...] = ()
    mcp: Tables = Field(default_factory=dict)
    workers: dict[str, Json] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Something in a workspace's file that has no effect until the file is trusted."""

    keys: tuple[str, ...]
    place: str
    value: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All that holds. ``withheld`` is what the workspace's file wants and may not have without trust."""

    agents: Mapping[str, AgentConfig]
    default_agent: str | None = None
    rules: tuple[dict[str, Json], ...] = ()
    mcp: Mapping[str, dict[str, Json]]
    workers: Workers = field(default_factory=Workers)
    files: tuple[Path, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    untrusted_servers: Path | None = None
    """A workspace's ``.mcp.json`` that nobody has trusted: its servers are not started."""
    workspace_file: TomlFile | None = None
    default_file: TomlFile | None = None
    """The file that names the default agent; None for the environment."""
    mcp_files: Mapping[str, TomlFile | None] = field(default_factory=dict)
    """The file that each MCP server's table is in; None for the environment."""

    def choose(self, agent_id: str | None = None) -> Choice:
        """Return the agent to use. Raises ConfigError for an id that no agent has, naming where it stands."""
        try:
            return choose(self.agents, agent_id, default=self.default_agent)
        except ConfigError as error:
            if agent_id or not self.default_agent:
                raise
            raise _error(self.default_file, ("default_agent",), error.message) from None

    def located(self, error: ConfigError) -> ConfigError:
        """Return an error of an MCP server's table with its file and line, if the table is from a file of ours.

        ``details`` of such an error: ``source``, ``keys`` (the server's name first) and ``problem``.
        """
        keys = error.details.get("keys")
        if error.details.get("source") != FILE_NAME or not isinstance(keys, list) or keys[0] not in self.mcp_files:
            return error
        return _error(self.mcp_files[keys[0]], ("mcp", *keys), str(error.details.get("problem")))

    def widest_limits(self) -> Limits:
        """Return what workers must hold that serve every agent."""
        return reduce(Limits.widened, (agent.run_limits for agent in self.agents.values()))

    @property
    def notice(self) -> str:
        """What to tell the user of files that are not trusted; empty if there is nothing to tell."""
        told: list[str] = []
        if self.withheld and self.workspace_file is not None:
            listed = "\n".join(f"  {w.place}: {_tame('.'.join(w.keys))} = {_shown(w.value)}" for w in self.withheld)
            told.append(_untrusted(self.workspace_file.path, f"without effect are:\n{listed}\nIf you want them"))
        if self.untrusted_servers is not None:
            told.append(_untrusted(self.untrusted_servers, "its MCP servers are not started. If you want them"))
        return "\n".join(told)


def user_file() -> Path:
    """Return where the user's own configuration lies."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "toolscript" / FILE_NAME


def load(workspace: Path | None = None, *, user: Path | None = None, trust: Trust | None = None) -> Configuration:
    """Return the configuration for a workspace. Raises ConfigError naming file and line."""
    found = _loaded(workspace, user or user_file(), trust or Trust())
    servers = workspace / SERVERS_NAME if workspace is not None else None
    if servers is None or not servers.is_file() or (trust or Trust()).trusts(servers, _digest(servers)):
        return found
    return replace(found, untrusted_servers=servers)


def _loaded(workspace: Path | None, user: Path, trust: Trust) -> Configuration:
    users = _users(user)
    file = _read(workspace / FILE_NAME) if workspace is not None else None
    if file is None or (
        users.workspace_file is not None and file.path.resolve() == users.workspace_file.path.resolve()
    ):
        return replace(users, workspace_file=None)
    tables = _tables(file)
    if trust.trusts(file.path, file.digest):
        return _trusting(users, file, tables)
    return _tightened(users, file, tables)


def _read(path: Path) -> TomlFile | None:
    """Return a file, None if there is none: most workspaces have none, and need no reader for it."""
    if not os.path.lexists(path):
        return None
    from toolscript.agent.toml_file import read

    return read(path)


def _users(path: Path) -> Configuration:
    file = _read(path)
    data = file.data if file is not None else {}
    try:
        settings = _Tables(**data)
        if any(name.upper().startswith(PREFIX) for name in os.environ):
            from toolscript.agent.environment import above

            settings = _Tables(**above(data))
    except pydantic.ValidationError as error:
        raise _invalid(file, error) from None
    _check_rules(settings.rules, file, ("rules",))
    agents = dict(DEFAULTS) | dict(_agents(DEFAULTS, settings.agents, file))
    return Configuration(
        agents=agents, default_agent=settings.default_agent, rules=settings.rules, mcp=settings.mcp,
        workers=_workers(Workers(), settings.workers, file), files=(path,) if file is not None else (),
        workspace_file=file, default_file=file, mcp_files=dict.fromkeys(settings.mcp, file),
    )  # fmt: skip


def _tables(file: TomlFile) -> _Tables:
    try:
        tables = _Tables(**file.data)
    except pydantic.ValidationError as error:
        raise _invalid(file, error) from None
    _check_rules(tables.rules, file, ("rules",))
    return tables


def _check_rules(rules: Iterable[Mapping[str, Json]], file: TomlFile | None, above: tuple[str, ...]) -> None:
    """Raise ConfigError for a rule that makes no sense: here its file and line are still known."""
    for index, rule in enumerate(rules):
        from toolscript.approvals.rules import problem_of

        if problem := problem_of(rule):
            raise _error(file, (*above, index), problem)


def _trusting(users: Configuration, file: TomlFile, tables: _Tables) -> Configuration:
    return Configuration(
        agents=dict(users.agents) | dict(_agents(users.agents, tables.agents, file)),
        default_agent=tables.default_agent or users.default_agent,
        rules=(*users.rules, *tables.rules),
        mcp=dict(users.mcp) | tables.mcp,
        workers=_workers(users.workers, tables.workers, file),
        files=(*users.files, file.path),
        workspace_file=file,
        default_file=file if tables.default_agent else users.default_file,
        mcp_files=dict(users.mcp_files) | dict.fromkeys(tables.mcp, file),
    )


def _tightened(users: Configuration, file: TomlFile, tables: _Tables) -> Configuration:
    from toolscript.agent.tightening import split

    agents = dict(users.agents)
    withheld: list[tuple[str, ...]] = []
    for name, wanted in _agents(users.agents, tables.agents, file):
        if name not in agents:
            withheld.append(("agents", name))
            continue
        dumped = wanted.model_dump(mode="json")
        table = {key: value if key in _MERGED else dumped[key] for key, value in tables.agents[name].items()}
        parts = split(agents[name], table)
        agents |= dict(_agents(agents, {name: parts.allowed}, file))
        withheld += [("agents", name, *keys) for keys in parts.withheld]
    free = tuple(rule for rule in tables.rules if rule.get("verdict") in ("ask", "deny"))
    withheld += [("rules",)] if len(free) < len(tables.rules) else []
    withheld += [("mcp", name) for name in tables.mcp]
    _workers(users.workers, tables.workers, file)  # only for its errors
    withheld += [("workers", name) for name in tables.workers]
    withheld += [("default_agent",)] if tables.default_agent not in (None, users.default_agent) else []
    return Configuration(
        agents=agents, default_agent=users.default_agent, rules=(*free, *users.rules), mcp=users.mcp,
        workers=users.workers, files=(*users.files, file.path), workspace_file=file,
        default_file=users.default_file, mcp_files=users.mcp_files,
        withheld=tuple(Withheld(keys=k, place=file.place(k), value=_value(file.data, k)) for k in withheld),
    )  # fmt: skip


def _agents(
    known: Mapping[str, AgentConfig], tables: Tables, file: TomlFile | None
) -> Iterator[tuple[str, AgentConfig]]:
    """Yield each table as an agent: a change of the known one of its name, or a new one."""
    for name, table in tables.items():
        base = known[name].model_dump(exclude_unset=True) if name in known else {}
        merged = {k: base[k] | table[k] for k in _MERGED & base.keys() & table.keys() if isinstance(table[k], dict)}
        try:
            agent = AgentConfig(**(base | _located(table, file) | merged | {"id": name}))
        except pydantic.ValidationError as error:
            raise _invalid(file, error, ("agents", name)) from None
        from toolscript.models.found import providers, served

        if not served(agent.provider):
            message = f"there is no provider {agent.provider!r}; providers are {', '.join(providers())}"
            raise _error(file, ("agents", name, "provider"), message)
        if agent.hosted and agent.provider not in HOSTING:
            raise _error(
                file, ("agents", name, "hosted"), f"only {' and '.join(HOSTING)} run a model's code themselves"
            )
        _check_rules(agent.rules, file, ("agents", name, "rules"))
        yield name, agent


def _workers(known: Workers, table: Mapping[str, Json], file: TomlFile | None) -> Workers:
    """Return the known workers' settings with those of the table in their place."""
    try:
        return Workers(**(known.model_dump() | dict(table)))
    except pydantic.ValidationError as error:
        raise _invalid(file, error, ("workers",)) from None


def _located(table: Mapping[str, Json], file: TomlFile | None) -> dict[str, Any]:
    """Return the table with its recordings found beside the file that names them."""
    found = dict(table)
    if file is not None and isinstance(names := table.get("recordings"), list):
        found["recordings"] = [file.path.parent / name if isinstance(name, str) else name for name in names]
    return found


def _invalid(file: TomlFile | None, error: pydantic.ValidationError, above: tuple[str, ...] = ()) -> ConfigError:
    first = error.errors()[0]
    keys = (*above, *first["loc"])
    return _error(file, keys, _said(first["type"], first["msg"], keys))


def _error(file: TomlFile | None, keys: tuple[str | int, ...], message: str) -> ConfigError:
    variable = PREFIX + "__".join(map(str, keys)).upper()
    if file is None or variable in {name.upper() for name in os.environ}:
        return ConfigError(f"{variable} in the environment: {message}")
    return file.error(keys, message)


def _said(kind: str, message: str, keys: tuple[str | int, ...]) -> str:
    if keys and "key" in str(keys[-1]) and kind == "extra_forbidden":
        return "keys are never in a file: set api_key_env to the name of the environment variable that holds it"
    from toolscript.misfits import of_setting

    return of_setting(kind, message)


def _value(data: Json, keys: tuple[str, ...]) -> Json:
    for key in keys:
        data = data[key] if isinstance(data, dict) and key in data else None
    return data


def _untrusted(path: Path, what: str) -> str:
    return f"{path} is not trusted; {what}, trust the file as it is now: toolscript trust {path}"


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _tame(text: str) -> str:
    return text if text.isprintable() else repr(text)


def _shown(value: Json, limit: int = 160) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"
