"""Decides what a person has allowed ahead for one conversation, and what such an allowance covers."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeVar

from toolscript.approvals.digest import canonical_digest
from toolscript.approvals.reach import beyond, leads_as_named, names_all, real, spelt
from toolscript.approvals.rules import Fit, Rule, allow_fit, has_wildcard, others_at_default
from toolscript.errors import InvalidArguments, Json, ToolError
from toolscript.files.paths import folded
from toolscript.registry.classification import Classification, Danger, Effect

if TYPE_CHECKING:
    from toolscript.registry.tool import ToolSpec

ALWAYS_ASKED = frozenset({"toolscript.toml"})
"""Files that say what is allowed: a call that writes one asks every time."""
LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Allowed with one request: this tool, under the pattern that its classification offered.

    It covers no more than what was seen: not another definition of the tool, other environment additions,
    escalation, or a more dangerous call.
    """

    id: int
    tool: str
    pattern: str
    definition: str
    escalated: bool = False
    dangerous: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    """Where the paths that the call named led to; a link that leads elsewhere since is another call."""
    by: str = ""

    def covers(self, spec: ToolSpec, classification: Classification, arguments: Json, cwd: Path) -> bool:
        """Say whether this exact call is covered."""
        return (
            spec.path == self.tool
            and (classification.effect is not Effect.EXECUTE or leads_as_named(arguments, dict(self.places), cwd))
            and classification.remember == self.pattern
            and tuple(sorted(classification.environment.items())) == self.environment
            and (self.escalated or not classification.escalated)
            and (self.dangerous or classification.danger is not Danger.DANGEROUS)
            and definition_digest(spec) == self.definition
        )

    def __str__(self) -> str:
        return f"{self.tool} {self.pattern}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """Allowed ahead by a person who named the tool, and its arguments or patterns for them.

    ``words`` are given in the order of the tool's arguments; a list argument takes all that are left.
    ``arguments`` names them instead. Without either, or through a ``*``, it covers only ordinary calls:
    nothing dangerous, escalated, outside the workspace or protected comes along unseen. ``places`` says where
    the paths in them led to when they were given: it covers no call in which a link leads elsewhere since.
    """

    id: int
    tool: str
    words: tuple[str, ...] = ()
    arguments: Mapping[str, Json] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    by: str = "notebook"

    def covers(self, spec: ToolSpec, classification: Classification, arguments: Json, cwd: Path) -> bool:
        """Say whether this exact call is covered."""
        if self.tool not in (spec.path, spec.wire_name) or not leads_as_named(arguments, self.places, cwd):
            return False
        named = self.arguments or by_position(spec, self.words)
        if not named:
            return not self.words and ordinary(classification)
        return covers_named(named, spec, classification, arguments, cwd, known=tuple(self.places.values()))

    def __str__(self) -> str:
        if self.arguments:
            return f"{self.tool} {json.dumps(self.arguments, ensure_ascii=False)}"
        return " ".join((self.tool, *self.words)) if self.words else f"{self.tool} (any ordinary call)"


Permission = Remembered | Stated
P = TypeVar("P", Remembered, Stated)


class Permissions:
    """The allowances of one conversation: listed, revocable, and restored when the conversation is rewound."""

    def __init__(self, cwd: str | Path = "/") -> None:
        self._cwd = Path(os.path.realpath(cwd))
        self._kept: dict[int, Permission] = {}
        self._ids = itertools.count(1)

    def __iter__(self) -> Iterator[Permission]:
        return iter(tuple(self._kept.values()))

    def __len__(self) -> int:
        return len(self._kept)

    def remember(
        self, spec: ToolSpec, classification: Classification, *, by: str, arguments: Json = None
    ) -> Remembered | None:
        """Keep what "allow for this conversation" said of a call; None where that is not offered."""
        if classification.remember is None or always_asked(classification):
            return None
        return self._keep(
            Remembered(
                id=next(self._ids),
                tool=spec.path,
                pattern=classification.remember,
                definition=definition_digest(spec),
                escalated=classification.escalated,
                dangerous=classification.danger is Danger.DANGEROUS,
                environment=tuple(sorted(classification.environment.items())),
                places=self._places(classification, arguments),
                by=by,
            )
        )

    def allow(
        self, tool: str, *words: str, arguments: Mapping[str, Json] | None = None, by: str = "notebook"
    ) -> Stated:
        """Allow later calls of exactly this tool: ``allow("exec", "git", "push")``, ``allow("readFile", "/etc/*")``.

        One word that is a JSON object names the arguments: ``allow("exec", '{"command": ["ls"], "cwd": "src"}')``.
        """
        if arguments is None and len(words) == 1 and words[0].lstrip().startswith("{"):
            arguments, words = _object(words[0]), ()
        places = {path: real(path, self._cwd) for path in _exact_texts([words, arguments])}
        return self._keep(
            Stated(id=next(self._ids), tool=tool, words=words, arguments=arguments or {}, places=places, by=by)
        )

    def covering(self, spec: ToolSpec, classification: Classification, arguments: Json) -> Permission | None:
        """Return an allowance that covers this exact call, if there is one."""
        if always_asked(classification):
            return None
        return next((p for p in self._kept.values() if p.covers(spec, classification, arguments, self._cwd)), None)

    def revoke(self, permission_id: int) -> Permission:
        """Take an allowance back. Raises ToolError with code ``not_found``."""
        try:
            return self._kept.pop(permission_id)
        except KeyError:
            raise ToolError(f"there is no permission {permission_id} (any more)", code="not_found") from None

    def clear(self) -> None:
        """Take every allowance back."""
        self._kept.clear()

    def snapshot(self) -> tuple[Permission, ...]:
        """Return the allowances as they stand, for :meth:`restore`."""
        return tuple(self._kept.values())

    def restore(self, snapshot: tuple[Permission, ...]) -> None:
        """Go back to what a snapshot held; ids are never given twice."""
        self._kept = {permission.id: permission for permission in snapshot}

    def _places(self, classification: Classification, arguments: Json) -> tuple[tuple[str, str], ...]:
        # What a file tool touches is remembered by its real path already.
        if classification.effect is not Effect.EXECUTE:
            return ()
        return tuple((path, real(path, self._cwd)) for path in spelt(arguments, self._cwd))

    def _keep(self, permission: P) -> P:
        self._kept[permission.id] = permission
        return permission


def always_asked(classification: Classification) -> bool:
    """Say whether the call changes a file that decides what is allowed."""
    return any(p.kind != "read" and folded(PurePath(p.path).name) in ALWAYS_ASKED for p in classification.paths)


def definition_digest(spec: ToolSpec) -> str:
    """Return a digest of what a tool says of itself: consent to one definition is none to another."""
    return canonical_digest({"path": spec.path, "doc": spec.doc, "effect": spec.effect, "schema": spec.input.schema})


def by_position(spec: ToolSpec, words: Sequence[str]) -> dict[str, Json]:
    """Return the arguments that words name in the tool's own order; empty where they do not fit.

    A list takes all words that are left, and so does a last text, joined by blanks (``shell npm test``).
    """
    properties: dict[str, Json] = spec.input.schema.get("properties", {})
    names = list(spec.positional) or spec.input.schema.get("required", [])
    left = list(words)
    named: dict[str, Json] = {}
    for index, name in enumerate(names):
        if not left:
            break
        schema = properties.get(name, {})
        if _is(schema, "array"):
            named[name], left = left, []
        elif index == len(names) - 1 and _is(schema, "string"):
            named[name], left = " ".join(left), []
        else:
            named[name] = _value(left.pop(0), schema)
    return {} if left else named


def _is(schema: Json, kind: str) -> bool:
    return schema.get("type") == kind or any(_is(option, kind) for option in schema.get("anyOf", ()))


def _value(word: str, schema: Json) -> Json:
    if _is(schema, "string"):
        return word
    try:
        return json.loads(word)
    except ValueError:
        return word


def _object(word: str) -> dict[str, Json]:
    try:
        value = json.loads(word)
    except ValueError as error:
        raise InvalidArguments(f"{word!r} is not JSON: {error}") from None
    if not isinstance(value, dict) or not value:
        raise InvalidArguments(f"{word!r} names no arguments")
    return value


def unremarkable(classification: Classification) -> bool:
    """Say whether a call is covered by an allowance that did not spell it out."""
    return (
        classification.danger is not Danger.DANGEROUS
        and not classification.escalated
        and not any(p.protected and p.kind != "read" for p in classification.paths)
    )


def ordinary(classification: Classification) -> bool:
    """Say whether an allowance that names no arguments covers a call."""
    return unremarkable(classification) and not beyond(classification)


def covers_named(
    named: Mapping[str, Json], spec: ToolSpec, classification: Classification, arguments: Json, cwd: Path, *,
    known: Sequence[str] = (),
) -> bool:  # fmt: skip
    """Say whether an allowance of these arguments covers a call: by what it says, and by all that it touches.

    ``known`` are real paths that whoever named the arguments meant with them.
    """
    if not allow_fit(spec).named(named, arguments) or not others_at_default(spec, arguments, named):
        return False
    if has_wildcard(named) and (not unremarkable(classification) or _climbs(arguments)):
        return False
    return names_all({"": [named, *known]}, arguments, classification, cwd, Fit().text)


def covered_by_rule(rule: Rule, spec: ToolSpec, classification: Classification, arguments: Json, cwd: Path) -> bool:
    """Say whether an ``allow`` rule that names this tool covers this exact call."""
    if not rule.arguments:
        return ordinary(classification)
    return covers_named(rule.arguments, spec, classification, arguments, cwd)


def _exact_texts(value: Json) -> Iterator[str]:
    match value:
        case str() if 0 < len(value) < LONGEST_PATH and not re.search(r"[*\0\n]", value):
            yield value
        case Mapping():
            for item in value.values():
                yield from _exact_texts(item)
        case list() | tuple():
            for item in value:
                yield from _exact_texts(item)


def _climbs(arguments: Json) -> bool:
    match arguments:
        case str():
            return ".." in PurePath(arguments).parts
        case Mapping():
            return any(map(_climbs, arguments.values()))
        case list() | tuple():
            return any(map(_climbs, arguments))
        case _:
            return False
