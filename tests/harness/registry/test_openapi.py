"""The REST schema that is generated from the tools' declarations, held against the standard and against the tools."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import jsonschema
from openapi_spec_validator import OpenAPIV31SpecValidator

from toolscript.registry.classification import Effect
from toolscript.registry.openapi import openapi
from toolscript.registry.registry import Registry
from toolscript.registry.shape import Shape
from toolscript.registry.tool import Ask, ToolSpec
from toolscript_tools import tools

FOREIGN = {
    "type": "object",
    "properties": {
        "tree": {"$ref": "#/$defs/node"},
        "$ref": {"type": "string"},
        "default": {"$ref": "#/$defs/leaf"},
        "pick": {"default": {"$ref": "#/not/a/reference"}},
    },
    "required": ["tree"],
    "$defs": {
        "node": {"type": "object", "properties": {"below": {"type": "array", "items": {"$ref": "#/$defs/node"}}}},
        "leaf": {"type": "integer"},
    },
}


@dataclass(frozen=True)
class Declared:
    """A tool of which only the declaration matters here."""

    spec: ToolSpec


def foreign(**changed):
    spec = ToolSpec(
        name="grow", namespace=("mcp", "garden"), doc="Grow a tree. It takes long.\n\nAnd more.", effect=Effect.NETWORK,
        input=Shape.of_schema(FOREIGN), output=Shape.of_schema({"type": "object"}), ask=Ask.ALWAYS, lazy=True,
        packs=frozenset({"openai"}),
    )  # fmt: skip
    return Declared(replace(spec, **changed))


def validator(document, schema):
    return jsonschema.Draft202012Validator({"components": document["components"], **schema})


def operations(document):
    return {op["operationId"]: op for path in document["paths"].values() for op in path.values()}


def test_the_document_of_all_tools_is_valid_openapi_and_has_each_of_them_once():
    shipped = tools()
    # The validator follows references in default values, too.
    named = {name: schema for name, schema in FOREIGN["properties"].items() if name != "pick"}
    grow = foreign(input=Shape.of_schema({**FOREIGN, "properties": named}))
    document = json.loads(json.dumps(openapi([*shipped, grow], version="1.0")))

    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert set(operations(document)) == {t.spec.wire_name for t in shipped} | {"mcp__garden__grow"}
    assert document["openapi"] == "3.1.0"


def test_the_interface_has_the_tools_of_scripts_and_of_structured_calls():
    registry = Registry(tools())
    document = openapi(registry.select(), version="1.0")

    paths = {path.removeprefix("/tools/").replace("/", ".") for path in document["paths"]}
    assert paths == {tool.spec.path for tool in registry}
    assert {registry.by_wire_name(name).spec.path for name in operations(document)} == paths


def test_an_operation_says_what_the_tool_does_and_when_it_asks():
    operation = operations(openapi([foreign()], version="1.0"))["mcp__garden__grow"]

    assert (operation["x-effect"], operation["x-approval"]) == ("network", "always")
    assert (operation["x-packs"], operation["x-lazy"], operation["tags"]) == (["openai"], True, ["garden"])
    assert operation["summary"] == "Grow a tree"


def test_each_tools_own_schema_holds_at_its_place_in_the_document():
    for tool in tools():
        document = openapi([tool], version="1.0")
        operation = operations(document)[tool.spec.wire_name]
        asks = operation["requestBody"]["content"]["application/json"]["schema"]
        for value in ({}, {"path": "a"}, {"command": ["ls"]}, {"command": "ls"}, {"nope": 1}, []):
            own = jsonschema.Draft202012Validator(tool.spec.input.schema).is_valid(value)
            assert validator(document, asks).is_valid(value) == own, (tool.spec.path, value)


def test_references_within_a_foreign_schema_are_followed_and_data_stays_as_it_is():
    document = openapi([foreign()], version="1.0")
    asks = {"$ref": "#/components/schemas/mcp__garden__grow.input"}

    assert validator(document, asks).is_valid({"tree": {"below": [{"below": []}]}, "$ref": "x", "default": 1})
    assert not validator(document, asks).is_valid({"tree": {"below": [{"below": [1]}]}})
    assert not validator(document, asks).is_valid({"tree": {}, "default": "x"})
    pick = document["components"]["schemas"]["mcp__garden__grow.input"]["properties"]["pick"]
    assert pick == {"default": {"$ref": "#/not/a/reference"}}


def test_the_same_tools_give_the_same_bytes_in_whatever_order_they_come():
    made = [json.dumps(openapi(found, version="1.0")) for found in (tools(), list(reversed(tools())))]

    assert made[0] == made[1]
