"""Decides which scripts need not be parsed and blanked again."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING

from toolscript.language.parser import Parsed, parse

if TYPE_CHECKING:
    from toolscript.limits import Limits


class ScriptCache:
    """Keeps the latest parsed and blanked sources, least recently used first out."""

    def __init__(self, entries: int = 256) -> None:
        self._entries = entries
        self._parse = lru_cache(entries)(parse)
        self._blanked: OrderedDict[tuple[str, bool], str] = OrderedDict()
        self._hits = self._misses = 0

    def parsed(self, source: str, limits: Limits) -> Parsed:
        """Return what ``parse`` returns, from memory where it was asked before. Raises as ``parse``."""
        return self._parse(source, limits)

    def blanked(self, script_hash: str, *, last_expression: bool) -> str | None:
        """Return the blanked source of this hash, if it was put here."""
        key = (script_hash, last_expression)
        found = self._blanked.get(key)
        if found is None:
            self._misses += 1
        else:
            self._hits += 1
            self._blanked.move_to_end(key)
        return found

    def put(self, script_hash: str, prepared: str, *, last_expression: bool) -> None:
        """Keep what a worker made of the source of this hash."""
        self._blanked[(script_hash, last_expression)] = prepared
        self._blanked.move_to_end((script_hash, last_expression))
        while len(self._blanked) > self._entries:
            self._blanked.popitem(last=False)

    def metrics(self) -> dict[str, int]:
        """Return hits and misses of both halves, and how many entries they hold."""
        parsed = self._parse.cache_info()
        return {
            "parse_hits": parsed.hits, "parse_misses": parsed.misses, "parsed": parsed.currsize,
            "blank_hits": self._hits, "blank_misses": self._misses, "blanked": len(self._blanked),
        }  # fmt: skip
