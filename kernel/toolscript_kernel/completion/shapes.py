"""Decides what is known of a value from the JSON schema that describes it: its members, items and spelling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from toolscript.errors import Json
from toolscript.registry.declarations import type_of

KEPT = 1_000
"""So many spellings of types are kept: the same few are asked for at every key."""
_TYPES: dict[tuple[int, int], tuple[dict[str, Json], dict[str, Json], str]] = {}


@dataclass(frozen=True, slots=True)
class Shape:
    """A place in a JSON schema."""

    schema: dict[str, Json]
    root: dict[str, Json] = field(default_factory=dict)

    @classmethod
    def of(cls, schema: dict[str, Json]) -> Shape:
        """Return the shape of a whole schema."""
        return cls(schema, schema)

    @property
    def type(self) -> str:
        """The TypeScript type."""
        key = (id(self.schema), id(self.root))
        kept = _TYPES.get(key)
        if kept is None or kept[0] is not self.schema or kept[1] is not self.root:
            if len(_TYPES) >= KEPT:
                _TYPES.clear()
            kept = _TYPES[key] = (self.schema, self.root, type_of(self.schema, self.root))
        return kept[2]

    @property
    def doc(self) -> str:
        """What is said of it."""
        return str(self.schema.get("description") or self._resolved.get("description") or "")

    @property
    def kind(self) -> str:
        """``object``, ``array``, ``string`` … of the alternatives that are not null; empty if that is not one."""
        kinds = {s.get("type") for s in self._options() if s.get("type") != "null"}
        return str(next(iter(kinds))) if len(kinds) == 1 else ""

    @property
    def members(self) -> dict[str, Shape]:
        """The properties of an object."""
        found: dict[str, Shape] = {}
        for option in self._options():
            for name, schema in (option.get("properties") or {}).items():
                found.setdefault(name, Shape(schema if isinstance(schema, dict) else {}, self.root))
        return found

    @property
    def required(self) -> frozenset[str]:
        """The properties that must be given."""
        return frozenset(name for option in self._options() for name in option.get("required", ()))

    @property
    def item(self) -> Shape | None:
        """What an array holds."""
        for option in self._options():
            if isinstance(item := option.get("items"), dict):
                return Shape(item, self.root)
        return None

    @property
    def literals(self) -> tuple[Json, ...]:
        """The values that are allowed, where they are listed."""
        found: list[Any] = []
        for option in self._options():
            found += option.get("enum", [option["const"]] if "const" in option else [])
        return tuple(found)

    def at(self, path: Iterable[str]) -> Shape | None:
        """Return the shape of a nested property."""
        shape: Shape | None = self
        for name in path:
            shape = shape.members.get(name) if shape is not None else None
        return shape

    @property
    def _resolved(self) -> dict[str, Json]:
        return _resolve(self.schema, self.root)

    def _options(self) -> list[dict[str, Json]]:
        resolved = self._resolved
        for union in ("anyOf", "oneOf"):
            if union in resolved:
                return [_resolve(s, self.root) for s in resolved[union] if isinstance(s, dict)]
        return [resolved]


def _resolve(schema: dict[str, Json], root: dict[str, Json]) -> dict[str, Json]:
    for _ in range(8):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return schema
        target: Json = root
        for part in reference[2:].split("/"):
            target = target.get(part, {}) if isinstance(target, dict) else {}
        schema = target if isinstance(target, dict) else {}
    return schema
