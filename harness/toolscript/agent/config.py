"""Decides what an agent is: which model answers, what it may use, and which agent is chosen when nobody says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from toolscript.agent.words import DEFAULT_BUDGET, AfterScript, Mode
from toolscript.approvals.choices import Policy
from toolscript.errors import ConfigError, Json
from toolscript.limits import Limits, limit_names

if TYPE_CHECKING:
    from toolscript.agent.terms import TurnSettings
    from toolscript.models.settings import ProviderSettings

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


class Frozen(BaseModel):
    """A part of the configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AgentConfig(Frozen):
    """One agent. Keys are never in a file: ``api_key_env`` names the environment variable that holds it."""

    id: str = ""
    provider: str
    model: str = ""
    base_url: str | None = None
    api_key_env: str | None = None
    pack: str | None = None
    policy: Policy = Policy.ON_REQUEST
    limits: dict[str, float] = Field(default_factory=dict)
    tools: tuple[str, ...] | None = None
    """The tools it may use at most; None: all of its pack."""
    rules: tuple[dict[str, Json], ...] = ()
    """Approval rules of this agent: ``{tool, verdict, arguments}``."""
    instructions: str = ""
    mode: Mode = "on"
    after_script: AfterScript = "continue"
    structured: bool = True
    """Whether tools are also offered for structured calls."""
    hosted: bool = False
    """Whether the provider runs the model's code (programmatic tool calling) instead of our scripts."""
    max_steps: Positive = 24
    max_tokens: Positive | None = None
    max_seconds: Seconds | None = None
    max_output_tokens: Positive | None = None
    context_tokens: Positive = 128_000
    output_bytes: Annotated[int, Field(ge=1024)] = DEFAULT_BUDGET
    silence_seconds: Seconds = 180.0
    attempts: Positive = 4
    settings: dict[str, Json] = Field(default_factory=dict)
    """What goes into the provider's request as it is (``reasoning``, ``temperature`` …)."""
    recordings: tuple[Path, ...] = ()

    @field_validator("base_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("a base URL begins with http:// or https://")
        return value

    @field_validator("limits")
    @classmethod
    def _limits(cls, value: dict[str, float]) -> dict[str, float]:
        try:
            limits_of(value)
        except (ConfigError, TypeError, OverflowError) as error:
            raise ValueError(str(error)) from None
        return value

    @property
    def tool_pack(self) -> str:
        """The pack: as configured, else the shape that the provider's models know."""
        return self.pack or ("anthropic" if self.provider.startswith("anthropic") else "openai")

    @property
    def run_limits(self) -> Limits:
        """The limits of this agent's runs."""
        return limits_of(self.limits)

    def key(self, environment: Mapping[str, str]) -> SecretStr | None:
        """Return the key from the environment, None without one."""
        value = environment.get(self.api_key_env, "").strip() if self.api_key_env else ""
        return SecretStr(value) if value else None

    def provider_settings(self, environment: Mapping[str, str] | None = None) -> ProviderSettings:
        """Return what the adapter needs to reach the provider."""
        from toolscript.models.settings import ProviderSettings, RetryPolicy

        found = os.environ if environment is None else environment
        return ProviderSettings(
            base_url=self.base_url, api_key=self.key(found), key_name=self.api_key_env or "",
            recordings=self.recordings, silence=self.silence_seconds, retry=RetryPolicy(attempts=self.attempts),
        )  # fmt: skip

    def turn_settings(self) -> TurnSettings:
        """Return how this agent's turns go."""
        from toolscript.agent.terms import TurnSettings

        return TurnSettings(
            agent=self.id, model=self.model, instructions=self.instructions, mode=self.mode,
            after_script=self.after_script, structured=self.structured, hosted=self.hosted, max_steps=self.max_steps,
            max_tokens=self.max_tokens, max_seconds=self.max_seconds, max_output_tokens=self.max_output_tokens,
            context_tokens=self.context_tokens, output_bytes=self.output_bytes, provider=self.settings,
        )  # fmt: skip


def limits_of(values: Mapping[str, float]) -> Limits:
    """Return the default limits with these in their place. Raises ConfigError for a name or value that is none."""
    defaults = Limits()
    if unknown := [name for name in values if name not in limit_names()]:
        raise ConfigError(f"there is no limit {unknown[0]!r}; limits are {', '.join(limit_names())}")
    whole = {name: int(v) if isinstance(getattr(defaults, name), int) else v for name, v in values.items()}
    changed: dict[str, Any] = whole
    return Limits(**changed)


DEFAULTS: dict[str, AgentConfig] = {
    "openai": AgentConfig(
        id="openai", provider="openai-responses", model="gpt-5.5", api_key_env="OPENAI_API_KEY",
        context_tokens=256_000,
    ),
    "anthropic": AgentConfig(
        id="anthropic", provider="anthropic-messages", model="claude-sonnet-5-5", api_key_env="ANTHROPIC_API_KEY",
        context_tokens=200_000, max_output_tokens=16_000,
    ),
    "local": AgentConfig(
        id="local", provider="openai-chat", model="qwen3-coder", base_url="http://localhost:11434/v1",
        structured=False, context_tokens=32_000,
    ),
    "recorded": AgentConfig(id="recorded", provider="recorded", model="recorded"),
}  # fmt: skip
"""The agents that ship; a configuration changes them by their names or adds others."""

_BY_KEY: tuple[Literal["openai", "anthropic"], ...] = ("openai", "anthropic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The agent that was chosen; ``note`` tells the user why, when they did not say."""

    agent: AgentConfig
    note: str = ""


def choose(
    agents: Mapping[str, AgentConfig],
    agent_id: str | None,
    *,
    default: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Choice:
    """Return the agent of this id, else the default one, else the first that has a key, else the recorded one.

    Raises ConfigError for an id that no agent has, naming those that there are.
    """
    found = os.environ if environment is None else environment
    if wanted := agent_id or default:
        return Choice(agent=_named(agents, wanted))
    for name in _BY_KEY:
        if name in agents and agents[name].key(found) is not None:
            return Choice(agent=agents[name], note=f"agent {name}: {agents[name].api_key_env} is set")
    keys = " or ".join(str(DEFAULTS[name].api_key_env) for name in _BY_KEY)
    note = (
        "no key was found: the agent `recorded` answers with recorded words (its tools are live). "
        f"For a live model set {keys}, or default_agent in toolscript.toml."
    )
    return Choice(agent=_named(agents, "recorded"), note=note)


def _named(agents: Mapping[str, AgentConfig], agent_id: str) -> AgentConfig:
    if agent_id in agents:
        return agents[agent_id]
    from difflib import get_close_matches

    near = get_close_matches(agent_id, agents, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(f"there is no agent {agent_id!r}; {hint}agents are {', '.join(sorted(agents))}")
