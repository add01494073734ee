"""Decides which calls a rule or an allowance of a person names: a tool and patterns for its arguments."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Literal

from toolscript.errors import ConfigError, Json
from toolscript.registry.classification import Effect
from toolscript.registry.tool import ToolSpec

REST = "**"
"""As the last item of a list pattern: any further items."""

SHELL = r";&|<>()`$\\\n\r"
"""What a shell acts on, as the inside of a character class."""

_UNSET = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One per-tool rule of the configuration.

    ``tool`` is a facade path, ``*`` matching within it (``mcp.git.*``). ``arguments`` maps argument names to
    patterns: text with ``*``, a list matched item by item against a whole list (a last ``**`` takes the rest),
    or any other JSON value, which must be equal. ``source`` says where the rule stands, for messages.

    An ``allow`` rule covers a call only if every argument that it does not name is left at its default, so no
    environment, escalation or input comes along unseen. ``ask`` and ``deny`` look only at what they name, and
    the program of a command also by its last path segment.
    """

    tool: str
    verdict: Literal["allow", "ask", "deny"]
    arguments: Mapping[str, Json] = field(default_factory=dict)
    source: str = "configuration"
    reason: str = ""

    def matches(self, spec: ToolSpec, arguments: Json) -> bool:
        """Say whether the rule names this call; ``arguments`` are JSON, after defaults, in facade spelling."""
        if not fnmatch.fnmatchcase(spec.path, self.tool):
            return False
        lenient = self.verdict != "allow"
        fit = Fit(by_program=True) if lenient else allow_fit(spec)
        if not fit.named(self.arguments, arguments):
            return False
        return lenient or not self.arguments or others_at_default(spec, arguments, self.arguments)

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"the rule {self.verdict} {self.tool} ({self.source}){why}"


def read_rules(entries: Iterable[Mapping[str, Json]], *, source: str) -> tuple[Rule, ...]:
    """Return the rules of a configuration's list. Raises ConfigError naming the entry and what is wrong."""
    return tuple(_read_rule(entry, f"{source}, rule {index}") for index, entry in enumerate(entries, start=1))


def _read_rule(entry: Mapping[str, Json], source: str) -> Rule:
    if unknown := entry.keys() - {"tool", "verdict", "arguments", "reason"}:
        raise ConfigError(
            f"{source}: unknown {', '.join(sorted(unknown))}; a rule has tool, verdict, arguments, reason"
        )
    tool, verdict, arguments = entry.get("tool"), entry.get("verdict"), entry.get("arguments", {})
    if not isinstance(tool, str) or not tool:
        raise ConfigError(f'{source}: tool must name a tool, such as "exec" or "mcp.git.*"')
    if verdict not in ("allow", "ask", "deny"):
        raise ConfigError(f'{source}: verdict must be "allow", "ask" or "deny", got {verdict!r}')
    if not isinstance(arguments, Mapping):
        raise ConfigError(f"{source}: arguments must be a table of argument names and patterns")
    if verdict == "allow" and tool.strip("*.") == "":
        raise ConfigError(f"{source}: an allow rule must name its tool; {tool!r} would allow everything")
    return Rule(
        tool=tool, verdict=verdict, arguments=dict(arguments), source=source, reason=str(entry.get("reason", ""))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How patterns are read: ``by_program`` also takes a command's program by its last path segment;
    ``plain`` keeps ``*`` from standing for anything that a shell would act on."""

    by_program: bool = False
    plain: bool = False

    def named(self, patterns: Mapping[str, Json], arguments: Json) -> bool:
        """Say whether every named argument is there and fits its pattern."""
        if not patterns:
            return True
        if not isinstance(arguments, Mapping):
            return False
        return all(name in arguments and self.value(pattern, arguments[name]) for name, pattern in patterns.items())

    def value(self, pattern: Json, value: Json) -> bool:
        """Say whether one value fits one pattern."""
        if isinstance(pattern, str):
            return isinstance(value, str) and self.text(pattern, value)
        if isinstance(pattern, list | tuple):
            return isinstance(value, list | tuple) and self._items(pattern, value)
        # bool is an int in Python; `true` must not be fitted by 1.
        return bool(type(pattern) is type(value) and pattern == value)

    def text(self, pattern: str, value: str) -> bool:
        """Say whether a text fits: ``*`` stands for anything, everything else for itself, byte for byte."""
        return pattern == value or ("*" in pattern and bool(_compiled(pattern, self.plain).fullmatch(value)))

    def _items(self, patterns: Sequence[Json], values: Sequence[Json]) -> bool:
        rest = bool(patterns) and patterns[-1] == REST
        fixed = patterns[:-1] if rest else patterns
        if len(values) < len(fixed) or (not rest and len(values) > len(fixed)):
            return False
        if rest and self.plain and not all(map(_is_plain, values[len(fixed) :])):
            return False
        return all(
            self.value(pattern, value) or (self.by_program and index == 0 and self.value(pattern, _program(value)))
            for index, (pattern, value) in enumerate(zip(fixed, values, strict=False))
        )


def allow_fit(spec: ToolSpec) -> Fit:
    """Return how allowances are read: a wildcard in a command must not let a second command in."""
    return Fit(plain=spec.effect is Effect.EXECUTE)


@lru_cache(maxsize=512)
def _compiled(pattern: str, plain: bool) -> re.Pattern[str]:
    anything = f"[^{SHELL}]*" if plain else ".*"
    return re.compile(anything.join(map(re.escape, re.split(r"\*+", pattern))), re.DOTALL)


def _is_plain(value: Json) -> bool:
    return isinstance(value, str) and not re.search(f"[{SHELL}]", value)


def _program(value: Json) -> Json:
    return PurePosixPath(value).name if isinstance(value, str) else value


def others_at_default(spec: ToolSpec, arguments: Json, named: Iterable[str]) -> bool:
    """Say whether every argument that is not named is absent, empty or at the default of the tool's schema."""
    if not isinstance(arguments, Mapping):
        return True
    properties = spec.input.schema.get("properties", {})
    names = set(named)
    return all(
        # Defaults made by a factory are not in a schema; those are empty.
        name in names or value in (None, {}, []) or value == properties.get(name, {}).get("default", _UNSET)
        for name, value in arguments.items()
    )


def has_wildcard(named: Json) -> bool:
    """Say whether a pattern stands for more than one value."""
    match named:
        case str():
            return "*" in named
        case Mapping():
            return any(map(has_wildcard, named.values()))
        case list() | tuple():
            return any(map(has_wildcard, named))
        case _:
            return False
