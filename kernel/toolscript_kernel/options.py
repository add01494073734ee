"""Decides what may stand after ``%%toolscript`` and what it means."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, NoReturn

from toolscript.errors import ConfigError, Json, UnknownTool
from toolscript.limits import limit_names

if TYPE_CHECKING:
    from toolscript.registry.registry import Registry

OPTIONS = {
    "--param NAME=VALUE": "a value that the script finds in params",
    "--in NAME": "a Python value that the script finds in params",
    "--out NAME[:frame]": "the Python name of the result, or of a DataFrame of it",
    "--dry-run": "show what the script would do; nothing is changed",
    "--plan": "show it first, and carry out what you choose",
    "--policy POLICY": "untrusted, on-request, never or always-ask",
    "--limits NAME=NUMBER,…": "lower limits, such as calls=4 (or --limit)",
    "--tools TOOL,…": "the only tools it may use, such as readFile,mcp.git.*",
    "--replay RUN|FILE": "run it on what a recorded run was answered",
}
"""What may stand after ``%%toolscript``, and what it does in a few words."""
USAGE = f"%%toolscript {' '.join(f'[{option}]' for option in OPTIONS)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptOptions:
    """How one ``%%toolscript`` cell is run. ``inputs`` are names of Python values, ``output`` takes the result.

    ``frame`` makes a pandas DataFrame of a result that is a list of records.
    """

    params: dict[str, Json] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    output: str | None = None
    frame: bool = False
    dry_run: bool = False
    policy: str | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    tools: tuple[str, ...] | None = None
    plan: bool = False
    """First a dry run, then a person chooses, then what was approved."""
    replay: str | None = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"%%toolscript: {message}; usage: {USAGE}")


def read(text: str) -> ScriptOptions:
    """Return the options in the text after ``%%toolscript``. Raises ConfigError that says what is wrong."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"%%toolscript: {str(error).lower()} in {text!r}; quote values as in a shell") from None
    found = _parser().parse_args(words)
    return ScriptOptions(
        params=dict(found.param),
        inputs=tuple(found.inputs),
        output=found.output[0] if found.output else None,
        frame=bool(found.output and found.output[1]),
        dry_run=found.dry_run,
        policy=found.policy,
        limits=dict(pair for group in found.limits for pair in group),
        tools=tuple(found.tools) if found.tools is not None else None,
        plan=found.plan,
        replay=found.replay,
    )


@cache
def _parser() -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False, prog="%%toolscript")
    parser.add_argument("--param", action="append", default=[], type=_checked(_param))
    parser.add_argument("--in", dest="inputs", action="append", default=[], type=_checked(_name))
    parser.add_argument("--out", dest="output", type=_checked(_output))
    parser.add_argument("--policy", choices=["untrusted", "on-request", "never", "always-ask"])
    parser.add_argument("--limits", "--limit", dest="limits", action="append", default=[], type=_checked(_limits))
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true")
    how.add_argument("--plan", action="store_true")
    how.add_argument("--replay", metavar="RUN|FILE")
    parser.add_argument("--tools", type=_checked(_tools))
    return parser


def _checked(read_one: Any) -> Any:
    """Let argparse show a converter's own words instead of the converter's name."""

    def convert(text: str) -> Any:
        try:
            return read_one(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ValueError(f"{text!r} is not NAME=VALUE")
    return name.strip(), value


def _param(text: str) -> tuple[str, Json]:
    name, value = _pair(text)
    try:
        return name, json.loads(value)
    except ValueError:
        # A bare word is a text; what begins like JSON and is not is more likely a slip than meant.
        if value[:1] in set('{["'):
            raise ValueError(f"the value of {name!r} begins like JSON and is none: {value}") from None
        return name, value


def _name(text: str) -> str:
    if not text.isidentifier() or iskeyword(text) or text.startswith("__"):
        raise ValueError(f"{text!r} is not the name of a Python variable")
    return text


def _output(text: str) -> tuple[str, bool]:
    name, colon, kind = text.partition(":")
    if colon and kind != "frame":
        raise ValueError(f"{text!r}: a result is taken as it is, or as a DataFrame by {name}:frame")
    return _name(name), bool(colon)


def _limits(text: str) -> list[tuple[str, float]]:
    return [_limit(part) for part in text.split(",") if part.strip()]


def _limit(text: str) -> tuple[str, float]:
    name, value = _pair(text)
    name = name.replace("-", "_")
    if name not in limit_names():
        raise ValueError(f"there is no limit {name!r}; limits are {', '.join(limit_names())}")
    try:
        return name, int(value) if value.strip().isdecimal() else float(value)
    except ValueError:
        raise ValueError(f"limit {name} needs a number, got {value!r}") from None


def check_tools(names: Iterable[str], registry: Registry) -> None:
    """Raise ConfigError for a name or pattern that no tool has; ToolError where its server does not run."""
    for name in names:
        from toolscript.registry.registry import matches  # here, since the kernel answers before the library is loaded

        if any(matches(tool.spec.path, name) for tool in registry):
            continue
        try:
            registry.get(name)
        except UnknownTool as error:
            near = error.details.get("near")
            hint = f"did you mean {', '.join(map(str, near))}?" if isinstance(near, list) and near else ""
            hint = hint or "%toolscript tools lists them"
            raise ConfigError(f"%%toolscript --tools: there is no tool {name!r}; {hint}") from None


def _tools(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
