"""Decides which variables a command sees: the host's less its secrets, and what the call adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from toolscript.confidential import CORE, SECRETS, is_secret, names

NEVER = frozenset(("OPENAI_FEDERATION_RULE_ID", "OPENAI_IDENTITY_TOKEN_FILE"))
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UNATTENDED = {"GIT_TERMINAL_PROMPT": "0", "PAGER": "cat", "GIT_PAGER": "cat", "GH_PAGER": "cat", "TERM": "dumb"}
"""What programs need to be told where nobody sits at a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentPolicy:
    """Which variables are inherited. Patterns know ``*`` and ``?``, match whole names, in any case.

    ``ignore_default_excludes`` lets through what is secret by its name (``default_excludes``) or by its value.
    ``include_only`` filters what ``set`` adds as well; ``set`` may bring an excluded name back.
    """

    inherit: Literal["all", "core", "none"] = "all"
    ignore_default_excludes: bool = False
    default_excludes: tuple[str, ...] = SECRETS
    exclude: tuple[str, ...] = ()
    set: Mapping[str, str] = field(default_factory=dict)
    include_only: tuple[str, ...] = ()

    def apply(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return what is left of the host's variables, with the additions."""
        kept = self._inherited(variables)
        if not self.ignore_default_excludes:
            kept = self._without_secrets(kept)
        kept = _without(kept, self.exclude) | dict(self.set)
        if self.include_only:
            wanted = names(self.include_only)
            kept = {name: value for name, value in kept.items() if wanted(name)}
        return {name: value for name, value in kept.items() if name not in NEVER}

    def _without_secrets(self, variables: Mapping[str, str]) -> dict[str, str]:
        named = names(self.default_excludes)
        return {name: value for name, value in variables.items() if not is_secret(name, value, named)}

    def _inherited(self, variables: Mapping[str, str]) -> dict[str, str]:
        if self.inherit == "none":
            return {}
        if self.inherit == "core":
            return {name: value for name, value in variables.items() if name.upper() in CORE}
        return dict(variables)


def command_environment(
    host: Mapping[str, str], additions: Mapping[str, str], policy: EnvironmentPolicy | None = None
) -> dict[str, str]:
    """Return the whole environment of one command: defaults for the unattended, the policy's, the call's own."""
    inherited = (policy or EnvironmentPolicy()).apply(host)
    return {"PATH": DEFAULT_PATH} | inherited | UNATTENDED | dict(additions)


def _without(variables: Mapping[str, str], patterns: Iterable[str]) -> dict[str, str]:
    unwanted = names(patterns)
    return {name: value for name, value in variables.items() if not unwanted(name)}
