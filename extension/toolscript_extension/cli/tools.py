"""Decides how the facade is printed: as TypeScript declarations, JSON schemas or an OpenAPI document."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import orjson
import typer

from toolscript.errors import Json
from toolscript.registry.declarations import declarations
from toolscript.registry.openapi import openapi
from toolscript.registry.registry import Registry, installed_tools
from toolscript.registry.tool import Tool


def command(
    dts: Annotated[bool, typer.Option("--dts", help="Print TypeScript declarations (the default).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print names, effects and JSON schemas.")] = False,
    as_openapi: Annotated[bool, typer.Option("--openapi", help="Print an OpenAPI 3.1 document.")] = False,
) -> None:
    """Print what scripts can call."""
    if dts + as_json + as_openapi > 1:
        raise typer.BadParameter("choose one of --dts, --json and --openapi")
    chosen = Registry(installed_tools()).select()
    if as_json:
        _print([_described(t) for t in chosen])
    elif as_openapi:
        _print(openapi(chosen, version=version("toolscript")))
    else:
        sys.stdout.write(declarations(chosen, lazy=True, documented=True))


def _print(value: Json) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


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
