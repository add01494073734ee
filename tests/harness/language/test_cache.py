"""A script that was read once is not read again, and the cache does not grow without end."""

from __future__ import annotations

import pytest

from toolscript.errors import SourceTooLarge
from toolscript.language.cache import ScriptCache
from toolscript.language.parser import script_hash
from toolscript.limits import Limits


def test_the_same_source_under_the_same_limits_is_parsed_once():
    cache = ScriptCache()
    first = cache.parsed("return 1", Limits())

    assert cache.parsed("return 1", Limits()) is first
    assert cache.parsed("return 1", Limits(calls=1)) is not first
    assert cache.metrics()["parse_hits"] == 1
    assert cache.metrics()["parse_misses"] == 2


def test_a_refused_source_is_not_kept():
    cache = ScriptCache()
    for _ in range(2):
        with pytest.raises(SourceTooLarge):
            cache.parsed("1" * 100, Limits(source_bytes=10))

    assert cache.metrics()["parsed"] == 0


def test_blanked_source_is_found_by_hash_and_form():
    cache = ScriptCache()
    known = script_hash("1")

    assert cache.blanked(known, last_expression=True) is None
    cache.put(known, "return 1", last_expression=True)
    assert cache.blanked(known, last_expression=True) == "return 1"
    assert cache.blanked(known, last_expression=False) is None
    assert cache.metrics() == {
        "parse_hits": 0, "parse_misses": 0, "blank_hits": 1, "blank_misses": 2, "parsed": 0, "blanked": 1,
    }  # fmt: skip


def test_what_was_not_used_for_longest_goes_first():
    cache = ScriptCache(entries=2)
    for name in ("a", "b"):
        cache.put(name, name, last_expression=False)
    cache.blanked("a", last_expression=False)
    cache.put("c", "c", last_expression=False)

    assert cache.blanked("a", last_expression=False) == "a"
    assert cache.blanked("b", last_expression=False) is None
    assert cache.metrics()["blanked"] == 2
