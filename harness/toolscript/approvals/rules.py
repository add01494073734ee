"""Decides which calls a rule or an allowance of a person names: a tool and patterns for its arguments."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from toolscript.approvals.reach import PATHS, Fits, real, same_place
from toolscript.errors import ConfigError, Json
from toolscript.files.paths import folded
from toolscript.registry.classification import Classification, Effect

if TYPE_CHECKING:
    from toolscript.registry.tool import ToolSpec

REST = "**"
"""As the last item of a list pattern: any further items."""

MAX_PATTERN = 4096
"""Characters of one pattern."""

_ACTED_ON = re.compile(r"[;&|<>()`$\\\n\r]")
"""What a shell acts on."""

_UNSET = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One per-tool rule of the configuration.

    ``tool`` is a facade path, ``*`` matching within it (``mcp.git.*``). ``arguments`` maps argument names to
    patterns: text with ``*``, a list matched item by item against a whole list (a last ``**`` takes the rest),
    or any other JSON value, which must be equal. ``source`` says where the rule stands, for messages.

    An ``allow`` rule covers a call only if every argument that it does not name is left at its default, so no
    environment, escalation or input comes along unseen; and with a ``*``, only what is ordinary and lies where
    the rule says. ``ask`` and ``deny`` look only at what they name, however it is spelt: a place by where it really
    is, ``path`` also where the call touches it under another name, and a program by its last path segment.
    """

    tool: str
    verdict: Literal["allow", "ask", "deny"]
    arguments: Mapping[str, Json] = field(default_factory=dict)
    source: str = "configuration"
    reason: str = ""

    def matches(
        self, spec: ToolSpec, arguments: Json, seen: Classification | None = None, cwd: Path = Path("/")
    ) -> bool:
        """Say whether the rule names this call; ``arguments`` are JSON, after defaults, in facade spelling.

        Of an ``allow`` rule this says only that its words fit.
        """
        if self.verdict == "allow":
            return fnmatch.fnmatchcase(spec.path, self.tool) and self._fits_exactly(spec, arguments)
        touched = tuple(str(p.path) for p in seen.paths) if seen is not None else ()
        calls = [(spec.path, arguments)]
        if seen is not None and seen.acts_as is not None:
            calls.append(seen.acts_as)
        return any(
            fnmatch.fnmatchcase(tool, self.tool) and Fit(cwd=cwd, touched=touched).named(self.arguments, given)
            for tool, given in calls
        )

    def _fits_exactly(self, spec: ToolSpec, arguments: Json) -> bool:
        if not allow_fit(spec).named(self.arguments, arguments):
            return False
        return not self.arguments or others_at_default(spec, arguments, self.arguments)

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"the rule {self.verdict} {self.tool} ({self.source}){why}"


def read_rules(entries: Iterable[Mapping[str, Json]], *, source: str) -> tuple[Rule, ...]:
    """Return the rules of a configuration's list. Raises ConfigError naming the entry and what is wrong."""
    return tuple(_read_rule(entry, f"{source}, rule {index}") for index, entry in enumerate(entries, start=1))


def _read_rule(entry: Mapping[str, Json], source: str) -> Rule:
    if problem := problem_of(entry):
        raise ConfigError(f"{source}: {problem}")
    return Rule(
        tool=entry["tool"], verdict=entry["verdict"], arguments=dict(entry.get("arguments", {})), source=source,
        reason=str(entry.get("reason", "")),
    )  # fmt: skip


def problem_of(entry: Mapping[str, Json]) -> str | None:
    """Return what is wrong with a rule of a configuration's list, None for one that can hold."""
    if unknown := entry.keys() - {"tool", "verdict", "arguments", "reason"}:
        return f"unknown {', '.join(sorted(unknown))}; a rule has tool, verdict, arguments, reason"
    tool, verdict, arguments = entry.get("tool"), entry.get("verdict"), entry.get("arguments", {})
    if not isinstance(tool, str) or not tool:
        return 'tool must name a tool, such as "exec" or "mcp.git.*"'
    if verdict not in ("allow", "ask", "deny"):
        return f'verdict must be "allow", "ask" or "deny", got {verdict!r}'
    if not isinstance(arguments, Mapping):
        return "arguments must be a table of argument names and patterns"
    if verdict == "allow" and tool.strip("*.") == "":
        return f"an allow rule must name its tool; {_cut(tool)} would allow everything"
    return too_long(entry)


def _cut(text: str, most: int = 80) -> str:
    return repr(text if len(text) <= most else f"{text[:most]}…")


def too_long(entry: Json) -> str | None:
    """Return what is wrong with a rule, or a part of one, in which a text is longer than a pattern may be."""
    match entry:
        case str() if len(entry) > MAX_PATTERN:
            return f"a pattern may have {MAX_PATTERN:,} characters, this one has {len(entry):,}"
        case Mapping():
            return next(filter(None, map(too_long, (*entry, *entry.values()))), None)
        case list() | tuple():
            return next(filter(None, map(too_long, entry)), None)
        case _:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How patterns are read. ``plain`` keeps ``*`` from standing for anything that a shell would act on.

    With ``cwd`` places and programs are meant, in whatever spelling, rather than their letters; ``touched`` are the
    real paths of the call, each of which counts as its ``path``.
    """

    plain: bool = False
    cwd: Path | None = None
    touched: tuple[str, ...] = ()

    def named(self, patterns: Mapping[str, Json], arguments: Json) -> bool:
        """Say whether every named argument is there and fits its pattern."""
        if not patterns:
            return True
        if not isinstance(arguments, Mapping):
            return False
        return all(self._argument(name, pattern, arguments) for name, pattern in patterns.items())

    def _argument(self, name: str, pattern: Json, arguments: Mapping[str, Json]) -> bool:
        if name in arguments and self.value(pattern, arguments[name]):
            return True
        if self.cwd is None or name not in PATHS or not isinstance(pattern, str):
            return False
        given = arguments.get(name)
        places = (*((given,) if isinstance(given, str) else ()), *(self.touched if name == "path" else ()))
        return any(same_place(pattern, place, self.cwd, self.text) for place in places)

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
        return pattern == value or ("*" in pattern and _fits(pattern, value, plain=self.plain))

    def _items(self, patterns: Sequence[Json], values: Sequence[Json]) -> bool:
        rest = bool(patterns) and patterns[-1] == REST
        fixed = patterns[:-1] if rest else patterns
        if len(values) < len(fixed) or (not rest and len(values) > len(fixed)):
            return False
        if rest and self.plain and not all(map(_is_plain, values[len(fixed) :])):
            return False
        return all(
            self.value(pattern, value) or self._same(index, pattern, value)
            for index, (pattern, value) in enumerate(zip(fixed, values, strict=False))
        )

    def _same(self, index: int, pattern: Json, value: Json) -> bool:
        """Say whether a word means what the pattern means, though it is spelt otherwise."""
        if self.cwd is None or not isinstance(pattern, str) or not isinstance(value, str):
            return False
        if "/" in (*pattern, *value) and same_place(pattern, value, self.cwd, self.text):
            return True
        return index == 0 and _same_program(pattern, value, self.cwd, self.text)


def _same_program(pattern: str, value: str, cwd: Path, fits: Fits) -> bool:
    names = {value, real(value, cwd)} if "/" in value else {value}
    wanted = {pattern} if "/" in value else {pattern, PurePosixPath(pattern).name}
    return any(fits(folded(p), folded(PurePosixPath(name).name)) for p in wanted for name in names)


def allow_fit(spec: ToolSpec) -> Fit:
    """Return how allowances are read: a wildcard in a command must not let a second command in."""
    return Fit(plain=spec.effect is Effect.EXECUTE)


def _fits(pattern: str, value: str, *, plain: bool) -> bool:
    """Say whether a text fits, in time linear in the text: what the first fit of each piece misses, none finds.

    A pattern may come from a workspace that nobody trusts, so nothing here goes back and tries again. That is enough
    with ``plain`` too: a piece that fits again further on has nothing between that a shell acts on, or does not count.
    """
    first, *middle, last = pattern.split("*")
    end = len(value) - len(last)
    at = len(first)
    if not (value.startswith(first) and value.endswith(last) and at <= end):
        return False
    for piece in filter(None, middle):
        found = value.find(piece, at, end)
        if found < 0 or (plain and _ACTED_ON.search(value, at, found)):
            return False
        at = found + len(piece)
    return not (plain and _ACTED_ON.search(value, at, end))


def _is_plain(value: Json) -> bool:
    return isinstance(value, str) and not _ACTED_ON.search(value)


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
