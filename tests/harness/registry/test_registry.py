"""The registry: which tools exist, under which names, and how they are described."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toolscript.errors import ConfigError, InvalidArguments, UnknownTool
from toolscript.registry.declarations import declaration, declarations, type_of
from toolscript.registry.function import tool
from toolscript.registry.registry import Registry, schema_digest, tools_digest
from toolscript.registry.shape import Shape


@tool(effect="read")
def count_words(text: str, at_least: int = 1) -> dict[str, int]:
    """Counts words."""
    return {w: n for w in text.split() if (n := text.split().count(w)) >= at_least}


@tool
def shout(text: str) -> str:
    """Shouts."""
    return text.upper()


def test_a_tool_is_found_by_its_path_and_by_its_wire_name():
    registry = Registry([count_words])

    assert registry.get("countWords") is count_words
    assert registry.by_wire_name("count_words") is count_words


def test_an_unknown_tool_names_near_ones():
    with pytest.raises(UnknownTool) as caught:
        Registry([count_words]).get("countWord")

    assert caught.value.details == {"near": ["countWords"]}
    assert "did you mean countWords?" in str(caught.value)


def test_two_tools_of_one_name_are_refused_and_replacing_is_explicit():
    registry = Registry([shout])

    with pytest.raises(ConfigError):
        registry.add(shout)
    registry.add(shout, replace=True)

    assert list(registry) == [shout]


def test_a_tool_may_not_take_the_facades_own_name():
    with pytest.raises(ConfigError):
        Registry([tool(shout.function, name="spawn")])


@pytest.mark.parametrize("name", ["", "1st", "a.b", "a-b", "ä", "a b", "then", "constructor", "__proto__", "x" * 65])
def test_a_name_that_scripts_or_providers_cannot_use_is_refused(name):
    with pytest.raises(ConfigError, match="may not be called"):
        Registry([tool(shout.function, name=name or " ")])


def test_a_flat_tool_may_not_take_a_global_of_the_facade():
    with pytest.raises(ConfigError, match="global"):
        Registry([replace(shout, spec=replace(shout.spec, name="console", flat=True))])


def test_a_tool_may_not_stand_where_the_way_to_another_leads():
    below = replace(shout, spec=replace(shout.spec, namespace=("count",)))
    above = tool(shout.function, name="count")

    for pair in ([above, below], [below, above]):
        with pytest.raises(ConfigError, match="leads through"):
            Registry(pair)


def test_structured_calls_name_arguments_in_snake_case_and_scripts_in_camel_case():
    assert list(count_words.spec.input.schema["properties"]) == ["text", "atLeast"]
    assert list(count_words.spec.input.structured["properties"]) == ["text", "at_least"]


def test_selection_narrows_by_path_and_by_pattern():
    registry = Registry([count_words, shout])

    assert registry.select(allowed=["shout"]) == (shout,)
    assert registry.select(allowed=["count*"]) == (count_words,)
    assert registry.select(allowed=[]) == ()


def test_listeners_hear_of_every_change():
    heard = []
    registry = Registry()
    registry.subscribe(lambda: heard.append(len(registry)))

    registry.add(shout)
    registry.remove("shout")
    registry.remove("shout")

    assert heard == [1, 0]


def test_a_digest_changes_with_the_schema_and_not_with_the_order():
    assert schema_digest(count_words) != schema_digest(shout)
    assert tools_digest([count_words, shout]) == tools_digest([shout, count_words])


def test_wrong_arguments_name_each_argument():
    with pytest.raises(InvalidArguments) as caught:
        count_words.spec.input.parse("countWords", {"text": 1, "atLeast": "x", "more": 2})

    assert [e["argument"] for e in caught.value.details["errors"]] == ["text", "atLeast", "more"]


def test_a_foreign_schema_is_checked_too():
    shape = Shape.of_schema({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})

    assert shape.parse("mcp.x.y", {"n": 1}) == {"n": 1}
    with pytest.raises(InvalidArguments):
        shape.parse("mcp.x.y", {"n": "one"})


@pytest.mark.anyio
async def test_a_function_tool_calls_its_function_with_either_spelling():
    arguments = count_words.spec.input.parse("countWords", {"text": "a b a", "at_least": 2})

    assert await count_words.call(arguments, None) == {"a": 2}
    assert count_words(text="a") == {"a": 1}


def test_variadic_functions_cannot_be_tools():
    with pytest.raises(ConfigError):
        tool(lambda *args: None, name="x")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer"}, "number"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"enum": ["a", 1]}, '"a" | 1'),
        ({"const": True}, "true"),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "(string | null)[]"),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]}, "[string, number]"),
        ({"type": "object"}, "Record<string, any>"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "Record<string, boolean>"),
        ({"properties": {"a-b": {}, "c": {"type": "null"}}, "required": ["c"]}, '{ "a-b"?: any; c: null }'),
        (True, "any"),
        ({}, "any"),
    ],
)
def test_a_json_schema_becomes_the_type_that_it_says(schema, expected):
    assert type_of(schema) == expected


def test_a_recursive_schema_ends():
    schema = {"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}}}}

    assert type_of(schema).endswith("any" + " }" * 9)


def test_declarations_are_the_same_bytes_whatever_the_order():
    assert declarations([shout, count_words]) == declarations([count_words, shout])


def test_a_declaration_has_input_output_and_documentation():
    assert declaration(count_words.spec) == (
        "/** Counts words. */\ntools.countWords(args: { text: string; atLeast?: number }): "
        "Promise<Record<string, number>>;"
    )


def test_a_hostile_documentation_cannot_close_its_comment():
    evil = tool(shout.function, name="evil")
    object.__setattr__(evil.spec, "doc", "ok */ injected(); /*")

    assert "*/ injected" not in declarations([evil])
