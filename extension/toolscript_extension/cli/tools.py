"""Decides how the facade is printed: as TypeScript declarations or as JSON schemas."""

from __future__ import annotations

import sys
from typing import Annotated

import orjson
import typer

from toolscript.errors import Json
from toolscript.registry.declarations import declarations
from toolscript.registry.registry import Registry, installed_tools
from toolscript.registry.tool import Tool


def command(
    dts: Annotated[bool, typer.Option("--dts", help="Print TypeScript declarations (the default).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print names, effects and JSON schemas.")] = False,
) -> None:
    """Print what scripts can call."""
    if dts and as_json:
        raise typer.BadParameter("choose one of --dts and --json")
    chosen = Registry(installed_tools()).select()
    if as_json:
        sys.stdout.write(orjson.dumps([_described(t) for t in chosen], option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stdout.write(declarations(chosen, lazy=True, documented=True))


def _described(tool: Tool) -> dict[str, Json]:
    spec = tool.spec
    return {
        "name": spec.path,
        "wire_name": spec.wire_name,
        "doc": spec.doc,
        "effect": spec.effect.value,
        "approval": spec.ask.value,
        "packs": sorted(spec.packs),
        "lazy": spec.lazy,
        "input_schema": spec.input.schema,
        "output_schema": spec.output.schema,
    }
