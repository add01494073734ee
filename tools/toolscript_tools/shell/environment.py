"""Decides which variables a command sees: the host's less its secrets, and what the call adds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

CORE = frozenset(("PATH", "SHELL", "TMPDIR", "TEMP", "TMP", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "USER"))
SECRETS = (
    "*KEY*", "*SECRET*", "*TOKEN*", "*PASS*", "*CRED*", "*AUTH*", "*PWD*", "DSN", "*_DSN", "*DATABASE_URL*", "*DB_URL*",
    "*CONNECTION_STRING*", "*CONNECTIONSTRING*", "*CONN_STR*", "*WEBHOOK*", "*COOKIE*", "*BEARER*", "*JWT*", "*_PAT",
)  # fmt: skip
"""Variables that are secret by their names."""
_DIRECTORIES = frozenset(("PWD", "OLDPWD"))
_SECRET_TEXT = re.compile(
    r"""\b[a-z][a-z0-9+.-]{0,30}://[^\s/?\#@:]*:[^\s/?\#@]+@     # a password in an address
      | \b[a-z][a-z0-9+.-]{0,30}://[^\s/?\#@:]{16,}@             # a token in the place of a user
      | \b(?:password|passwd|pwd|secret|token|api_?key|(?:access|account)_?key|sharedaccesskey)\s{0,9}=\s{0,9}[^\s;&]+
      | \b(?:gh[a-z]_|github_pat_|glpat-|sk-|xox[a-z]-|hf_|npm_|pypi-)[a-z0-9_-]{20,}
      | \bA(?:KIA|SIA)[0-9A-Z]{16}\b | \bAIza[a-z0-9_-]{35} | \beyJ[a-z0-9_-]{10,2000}\.eyJ
      | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----""",
    re.IGNORECASE | re.VERBOSE,
)
"""What is secret whatever the variable is called: credentials in addresses and connection strings, tokens, keys."""
_LONGEST_LOOKED_INTO = 64 * 1024
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
            wanted = _matcher(self.include_only)
            kept = {name: value for name, value in kept.items() if wanted(name)}
        return {name: value for name, value in kept.items() if name not in NEVER}

    def _without_secrets(self, variables: Mapping[str, str]) -> dict[str, str]:
        named = _matcher(self.default_excludes)
        return {
            name: value
            for name, value in variables.items()
            if name in _DIRECTORIES or not (named(name) or (name.upper() not in CORE and holds_secret(value)))
        }

    def _inherited(self, variables: Mapping[str, str]) -> dict[str, str]:
        if self.inherit == "none":
            return {}
        if self.inherit == "core":
            return {name: value for name, value in variables.items() if name.upper() in CORE}
        return dict(variables)


def holds_secret(value: str) -> bool:
    """Say whether a value looks like a secret: an address with a password, a token, a key."""
    return _SECRET_TEXT.search(value[:_LONGEST_LOOKED_INTO]) is not None


def command_environment(
    host: Mapping[str, str], additions: Mapping[str, str], policy: EnvironmentPolicy | None = None
) -> dict[str, str]:
    """Return the whole environment of one command: defaults for the unattended, the policy's, the call's own."""
    inherited = (policy or EnvironmentPolicy()).apply(host)
    return {"PATH": DEFAULT_PATH} | inherited | UNATTENDED | dict(additions)


def _without(variables: Mapping[str, str], patterns: Iterable[str]) -> dict[str, str]:
    unwanted = _matcher(patterns)
    return {name: value for name, value in variables.items() if not unwanted(name)}


def _matcher(patterns: Iterable[str]) -> _Test:
    return _Test([re.compile(_regex(pattern), re.IGNORECASE | re.DOTALL) for pattern in patterns])


@dataclass(frozen=True, slots=True)
class _Test:
    patterns: list[re.Pattern[str]]

    def __call__(self, name: str) -> bool:
        return any(pattern.fullmatch(name) for pattern in self.patterns)


def _regex(pattern: str) -> str:
    """Return the expression of a name's pattern. Between stars the first fit is as good as any other, so none is
    given up for a later one: no pattern takes for ever."""
    first, *rest = ["".join("." if c == "?" else re.escape(c) for c in piece) for piece in pattern.split("*")]
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>.*?{piece})" for piece in middle if piece) + f".*{last}"
