"""Decides what is said of an MCP server before it is started, and which of it is accepted from where."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from toolscript import misfits
from toolscript.errors import ConfigError, Json
from toolscript_tools.mcp.urls import checked_url

Approval = Literal["auto", "prompt", "writes", "approve"]

_VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")


class McpServer(BaseModel):
    """How to reach one MCP server: a ``command`` to start, or the ``url`` of one that runs.

    Timeouts are in seconds. ``protocol = "legacy"`` spares old servers the question whether they know the new one.
    ``approval``: ``auto`` goes by what the server says of each tool, ``prompt`` always asks,
    ``writes`` asks unless a tool only reads, ``approve`` never asks; ``tool_approval`` overrides it for single tools.
    ``lazy`` keeps the tools out of prompts; they are found by search. ``allow_local`` lets the URL lead to this machine
    or its private network. ``enabled_tools``, if given, and ``disabled_tools`` choose by the server's own names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: Path | None = None
    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    startup_timeout: float = Field(default=30.0, gt=0, le=3_600)
    call_timeout: float = Field(default=300.0, gt=0, le=86_400)
    protocol: Literal["auto", "legacy"] = "auto"
    approval: Approval = "auto"
    tool_approval: dict[str, Approval] = Field(default_factory=dict)
    lazy: bool = False
    allow_local: bool = True
    enabled_tools: tuple[str, ...] | None = None
    disabled_tools: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("give either a command to start or the url of a running server")
        if self.url is not None:
            checked_url(self.url, allow_local=self.allow_local)
            for name, value in self.headers.items():
                if not _HEADER_NAME.match(name) or not _HEADER_VALUE.match(value):
                    raise ValueError(f"header {name!r} is no header that can be sent")
        elif not self.command or "\0" in "".join((self.command, *self.args, *self.env, *self.env.values())):
            raise ValueError("the command is empty, or holds a NUL character")
        return self

    def offers(self, tool: str) -> bool:
        """Say whether the configuration lets this tool through."""
        return (self.enabled_tools is None or tool in self.enabled_tools) and tool not in self.disabled_tools

    def approval_of(self, tool: str) -> Approval:
        """Return when this tool asks."""
        return self.tool_approval.get(tool, self.approval)


def servers_from_table(table: Mapping[str, Json], *, source: str, trusted: bool = True) -> tuple[McpServer, ...]:
    """Return the servers of ``[mcp.<name>]`` tables; raises ConfigError naming source, server and key.

    A source that is not trusted may not reach this machine or its private network, nor read the environment.
    """
    return tuple(_server(name, settings, source, trusted) for name, settings in table.items())


def servers_from_json(text: str, *, source: str, trusted: bool = True) -> tuple[McpServer, ...]:
    """Return the servers of the usual ``{"mcpServers": {…}}`` file; keys of other programs are passed over.

    Raises ConfigError naming source, server and key.
    """
    try:
        data = json.loads(text)
        table = data["mcpServers"]
        items = list(table.items())
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise ConfigError(f'{source}: not a JSON object of the form {{"mcpServers": {{…}}}}') from None
    return tuple(
        _server(name, _familiar(name, settings, source), source, trusted)
        for name, settings in items
        if not (isinstance(settings, dict) and settings.get("disabled"))
    )


def _familiar(name: str, settings: Json, source: str) -> Json:
    if not isinstance(settings, dict):
        return settings
    kind = settings.get("type", settings.get("transport"))
    if kind == "sse":
        raise ConfigError(
            f"{source}: server {name!r} uses the old SSE transport; its streamable HTTP address is needed"
        )
    return {key: settings[key] for key in McpServer.model_fields if key in settings}


def _server(name: str, settings: Json, source: str, trusted: bool) -> McpServer:
    if not isinstance(settings, dict):
        raise _wrong(source, name, "is not a table")
    given: dict[str, Any] = {**settings, "name": name}
    command = given.get("command")
    if isinstance(command, list) and command:
        given |= {"command": command[0], "args": [*command[1:], *given.get("args", ())]}
    if not trusted:
        given["allow_local"] = False
    try:
        return McpServer.model_validate(_expanded(given) if trusted else given)
    except (ValidationError, ConfigError) as error:
        raise _wrong(source, name, *_problem(error)) from None


def _wrong(source: str, name: str, problem: str, *keys: str) -> ConfigError:
    """Return the error of a server's settings; its details let whoever knows the file find the line."""
    place = f"{'.'.join(keys)}: " if keys else ""
    details: dict[str, Json] = {"source": source, "keys": [name, *keys], "problem": problem}
    return ConfigError(f"{source}: server {name!r}: {place}{problem}", details=details)


def _problem(error: ValidationError | ConfigError) -> tuple[str, ...]:
    """Return what is wrong, and the keys of the place where only one thing is."""
    if isinstance(error, ConfigError):
        return (error.message,)
    told = misfits.in_settings(error)
    if len(told) == 1:
        ((keys, what),) = told
        return (what, *keys)
    return ("; ".join(f"{'.'.join(keys)}: {what}" for keys, what in told),)


def _expanded(value: Json) -> Json:
    """Return the settings with ``${NAME}`` and ``${NAME:-default}`` taken from the environment."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _variable(found[1], found[2]), value)
    if isinstance(value, list | tuple):
        return [_expanded(item) for item in value]
    if isinstance(value, dict):
        return {key: _expanded(item) for key, item in value.items()}
    return value


def _variable(name: str, default: str | None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise ConfigError(f"the environment has no {name}, and ${{{name}}} gives no default")
    return value
