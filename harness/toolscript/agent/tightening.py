"""Decides what an untrusted workspace file may change of an agent: only towards less, all else is withheld."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolscript.approvals.choices import Policy

if TYPE_CHECKING:
    from toolscript.agent.config import AgentConfig
    from toolscript.errors import Json

Keys = tuple[str, ...]

_TIGHTER = {
    # ``never`` refuses what on-request would ask, and runs the rest; it is not tighter than asking more.
    Policy.ON_REQUEST: {Policy.UNTRUSTED, Policy.NEVER, Policy.ALWAYS_ASK},
    Policy.UNTRUSTED: {Policy.ALWAYS_ASK},
    Policy.NEVER: set[Policy](),
    Policy.ALWAYS_ASK: set[Policy](),
}
_MODES = ("on", "dry-run", "off")
_LESS = ("max_steps", "max_tokens", "max_seconds", "max_output_tokens", "output_bytes")


@dataclass(frozen=True, slots=True)
class Split:
    """A table divided into what tightens and what needs trust."""

    allowed: dict[str, Json]
    withheld: tuple[Keys, ...]


def stricter(asker: Policy, own: Policy) -> Policy:
    """Return an agent's own policy where it is stricter than its asker's, else the asker's."""
    return own if own in _TIGHTER[asker] else asker


def split(agent: AgentConfig, table: Mapping[str, Json]) -> Split:
    """Divide the workspace's table for an agent that the user has; values were validated before."""
    allowed: dict[str, Json] = {}
    withheld: list[Keys] = []
    for name, value in table.items():
        if name == "limits":
            kept, over = _limits(agent, value)
            allowed |= {"limits": {**agent.limits, **kept}} if kept else {}
            withheld += [("limits", limit) for limit in over]
        elif name == "rules":
            kept_rules = [rule for rule in value if rule.get("verdict") in ("ask", "deny")]
            allowed |= {"rules": [*kept_rules, *agent.rules]} if kept_rules else {}
            withheld += [("rules",)] if len(kept_rules) < len(value) else []
        elif _tightens(agent, name, value):
            allowed[name] = value
        elif value != getattr(agent, name):
            withheld.append((name,))
    return Split(allowed, tuple(withheld))


def _limits(agent: AgentConfig, value: Mapping[str, float]) -> tuple[dict[str, float], list[str]]:
    current = agent.run_limits
    kept = {name: amount for name, amount in value.items() if amount <= getattr(current, name)}
    return kept, [name for name in value if name not in kept]


def _tightens(agent: AgentConfig, name: str, value: Json) -> bool:
    judge = _JUDGES.get(name)
    return judge is not None and judge(agent, value)


def _less(name: str) -> Callable[[AgentConfig, Json], bool]:
    def judge(agent: AgentConfig, value: Json) -> bool:
        current = getattr(agent, name)
        return bool(value <= (math.inf if current is None else current))

    return judge


_JUDGES: dict[str, Callable[[AgentConfig, Json], bool]] = {
    "policy": lambda agent, value: Policy(value) in _TIGHTER[agent.policy],
    "mode": lambda agent, value: _MODES.index(value) > _MODES.index(agent.mode),
    "tools": lambda agent, value: agent.tools is None or set(value) <= set(agent.tools),
    "structured": lambda agent, value: value is False,
    "after_script": lambda agent, value: True,
    **{name: _less(name) for name in _LESS},
}
