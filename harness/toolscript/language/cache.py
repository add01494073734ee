"""Decides which scripts need not be parsed and blanked again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolscript.language.parser import Parsed, parse, script_hash

if TYPE_CHECKING:
    from toolscript.limits import Limits


@dataclass(slots=True)
class ScriptCache:
    """Keeps the latest parsed and blanked sources, least recently used first out."""

    entries: int = 256
    _parsed: OrderedDict[tuple[str, Limits], Parsed] = field(default_factory=OrderedDict)
    _blanked: OrderedDict[tuple[str, bool], str] = field(default_factory=OrderedDict)
    _counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("parse_hits", "parse_misses", "blank_hits", "blank_misses"), 0)
    )

    def parsed(self, source: str, limits: Limits) -> Parsed:
        """Return what ``parse`` returns, from memory where it was asked before. Raises as ``parse``."""
        key = (script_hash(source), limits)
        found = self._parsed.get(key)
        if found is None:
            self._counts["parse_misses"] += 1
            found = self._parsed[key] = parse(source, limits)
            self._trim(self._parsed)
        else:
            self._counts["parse_hits"] += 1
            self._parsed.move_to_end(key)
        return found

    def blanked(self, script_hash: str, *, last_expression: bool) -> str | None:
        """Return the blanked source of this hash, if it was put here."""
        key = (script_hash, last_expression)
        found = self._blanked.get(key)
        self._counts["blank_misses" if found is None else "blank_hits"] += 1
        if found is not None:
            self._blanked.move_to_end(key)
        return found

    def put(self, script_hash: str, prepared: str, *, last_expression: bool) -> None:
        """Keep what a worker made of the source of this hash."""
        self._blanked[(script_hash, last_expression)] = prepared
        self._blanked.move_to_end((script_hash, last_expression))
        self._trim(self._blanked)

    def metrics(self) -> dict[str, int]:
        """Return hits and misses of both halves, and how many entries they hold."""
        return self._counts | {"parsed": len(self._parsed), "blanked": len(self._blanked)}

    def _trim(self, half: OrderedDict[Any, Any]) -> None:
        while len(half) > self.entries:
            half.popitem(last=False)
