"""Schemas that strangers wrote are checked, and can neither fetch, hang nor break anything."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from toolscript.errors import InvalidArguments
from toolscript.registry.shape import Shape


def form(**x: Any) -> Shape:
    return Shape.of_schema({"type": "object", "properties": {"x": x}})


def test_nothing_is_fetched_for_a_reference() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        shape = form(**{"$ref": f"http://127.0.0.1:{server.getsockname()[1]}/schema"})

        assert shape.parse("ask", {"x": "anything"}) == {"x": "anything"}
        with pytest.raises(BlockingIOError):
            server.accept()


def test_patterns_of_strangers_are_not_run() -> None:
    assert form(type="string", pattern="^b$").parse("ask", {"x": "a"}) == {"x": "a"}
    assert form(patternProperties={"^b$": False}).parse("ask", {"x": {"b": 1}}) == {"x": {"b": 1}}


@pytest.mark.parametrize("x", [{"type": "strange"}, {"type": 7}, {"enum": 7}, {"$ref": "#/no"}])
def test_what_cannot_be_checked_passes(x: dict[str, Any]) -> None:
    assert form(**x).parse("ask", {"x": "a"}) == {"x": "a"}


def test_a_schema_that_multiplies_without_end_is_given_up() -> None:
    twice = {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}
    assert Shape.of_schema({"$defs": {"a": twice}, **twice}).parse("ask", "a") == "a"


def test_each_problem_is_named() -> None:
    shape = Shape.of_schema({"properties": {"x": {"type": "integer"}, "y": {"type": "string"}}, "required": ["z"]})
    with pytest.raises(InvalidArguments) as caught:
        shape.parse("ask", {"x": "one", "y": 2})

    assert sorted(e["argument"] for e in caught.value.details["errors"]) == ["", "x", "y"]
