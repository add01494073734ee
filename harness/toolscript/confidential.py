"""Decides which variables of an environment are secret: by their names, or by what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

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


def is_secret(name: str, value: str, named: Names) -> bool:
    """Say whether a variable is secret: ``named`` so (by :data:`SECRETS`, as a rule), or for what it holds."""
    if name in _DIRECTORIES:
        return False
    return named(name) or (name.upper() not in CORE and holds_secret(value))


def holds_secret(value: str) -> bool:
    """Say whether a value looks like a secret: an address with a password, a token, a key."""
    return _SECRET_TEXT.search(value[:_LONGEST_LOOKED_INTO]) is not None


def names(patterns: Iterable[str]) -> Names:
    """Return the test for names that fit one of these patterns: ``*`` and ``?``, whole names, in any case."""
    return Names([re.compile(_regex(pattern), re.IGNORECASE | re.DOTALL) for pattern in patterns])


@dataclass(frozen=True, slots=True)
class Names:
    """Says of a name whether it fits one of the patterns."""

    patterns: list[re.Pattern[str]]

    def __call__(self, name: str) -> bool:
        """Say whether the name fits."""
        return any(pattern.fullmatch(name) for pattern in self.patterns)


def _regex(pattern: str) -> str:
    """Return the expression of a name's pattern. Between stars the first fit is as good as any other, so none is
    given up for a later one: no pattern takes for ever."""
    first, *rest = ["".join("." if c == "?" else re.escape(c) for c in piece) for piece in pattern.split("*")]
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>.*?{piece})" for piece in middle if piece) + f".*{last}"
