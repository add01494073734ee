"""Names on the facade and in structured calls: always distinct, never the language's own."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from toolscript_tools.mcp.names import LONGEST, server_keys, tool_keys


def test_other_characters_become_underscores() -> None:
    assert tool_keys("git", "git", ["git.status", "diff-staged"]) == {
        "git.status": "git_status",
        "diff-staged": "diff_staged",
    }


def test_names_that_come_out_equal_are_told_apart_by_a_hash_of_the_identity() -> None:
    keys = tool_keys("s", "s", ["a-b", "a.b", "c"])

    digest = hashlib.sha1(b"mcp__s__a-b").hexdigest()[:12]
    assert keys["a-b"] == f"a_b_{digest}"
    assert keys["c"] == "c"
    assert len(set(keys.values())) == 3


def test_a_long_name_is_cut_to_64_characters_in_all() -> None:
    (key,) = tool_keys("server", "server", ["x" * 100]).values()

    assert len(f"mcp__server__{key}") == LONGEST
    assert key[-13] == "_"


def test_names_of_the_language_are_not_used() -> None:
    assert tool_keys("s", "s", ["then", "constructor", "__proto__"]) == {
        "then": "then_",
        "constructor": "constructor_",
        "__proto__": "__proto___",
    }
    assert server_keys(["then", "a__b", "_c"]) == {"then": "then_server", "a__b": "a_b", "_c": "c"}


names = st.lists(st.text(max_size=80), max_size=6, unique=True)


@given(names, st.lists(names, min_size=6, max_size=6))
def test_every_tool_of_every_server_has_a_name_of_its_own(servers: list[str], tools: list[list[str]]) -> None:
    keys = server_keys(servers)
    wires = [
        f"mcp__{keys[server]}__{key}"
        for server, offered in zip(servers, tools, strict=False)
        for key in tool_keys(server, keys[server], offered).values()
    ]

    assert len(set(wires)) == len(wires)
    assert all(len(wire) <= LONGEST for wire in wires)
    assert all(wire.replace("_", "a").isalnum() and wire.isascii() for wire in wires)
