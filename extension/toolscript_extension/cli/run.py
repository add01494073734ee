"""Decides how a script file is run from a shell: what goes to stdout, what to stderr, and the exit code."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from toolscript.approvals.request import Policy
from toolscript.approvals.terminal import TerminalDecider
from toolscript.errors import ConfigError, Json
from toolscript.events import BaseEvent
from toolscript.harness import Harness
from toolscript.run import Run
from toolscript_extension.cli.exits import exit_code
from toolscript_extension.cli.show import Terminal


def command(
    file: Annotated[str, typer.Argument(help="A TypeScript file, or - for standard input.", metavar="FILE.ts|-")],
    param: Annotated[
        list[str] | None, typer.Option("--param", help="A value for params, as key=json.", metavar="KEY=JSON")
    ] = None,
    workspace: Annotated[Path, typer.Option(help="The directory that the script works in.")] = Path(),
    policy: Annotated[Policy, typer.Option(help="When consent is asked for.")] = Policy.ON_REQUEST,
    limit: Annotated[
        list[str] | None, typer.Option("--limit", help="Lower a limit, as name=number.", metavar="NAME=N")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Print each event as a JSON line on stdout.")] = False,
) -> None:
    """Run a script and print its result."""
    if as_json and events:
        raise typer.BadParameter("choose one of --json and --events")
    source = read_source(file)
    params = dict(parse_pair(p, "--param") for p in param or ())
    limits = {name: parse_number(value) for name, value in (parse_pair(x, "--limit") for x in limit or ())}
    listener = _event_lines if events else (None if as_json else Terminal(Console(stderr=True)))
    run = asyncio.run(_run(Harness(workspace, policy=policy), source, params, limits, listener))
    if as_json:
        sys.stdout.write(orjson.dumps(run.to_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
    elif not events and run.result is not None:
        sys.stdout.write(json.dumps(run.result, ensure_ascii=False, indent=2) + "\n")
    raise typer.Exit(exit_code(run))


async def _run(
    harness: Harness, source: str, params: Json, limits: dict[str, float], listener: Callable[[BaseEvent], None] | None
) -> Run:
    """Run the script; Ctrl-C and a polite kill stop it with its processes, and still give its run."""
    seen: list[BaseEvent] = []
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        async with harness:
            with ExitStack() as stack:
                stack.enter_context(harness.listening(seen.append))
                if listener is not None:
                    stack.enter_context(harness.listening(listener))
                stack.enter_context(TerminalDecider.attached(harness.approvals))
                return await harness.run(source, params=params, limits=limits, origin="file")
    except asyncio.CancelledError:
        task.uncancel()
        return Run.fold(seen)


def _event_lines(event: BaseEvent) -> None:
    sys.stdout.write(event.model_dump_json() + "\n")
    sys.stdout.flush()


def read_source(file: str) -> str:
    """Return the text of a script file or of standard input. Raises ConfigError naming the file."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8: byte {error.start}") from None


def parse_pair(text: str, option: str) -> tuple[str, Json]:
    """Return key and value of ``key=json``. Raises ConfigError that shows the accepted form."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"{option} takes key=value, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        raise ConfigError(
            f"{option} {name}: {value!r} is not JSON; a string needs quotes: {option} '{name}=\"{value}\"'"
        ) from None


def parse_number(value: Json) -> float:
    """Return a limit's value. Raises ConfigError for anything but a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"a limit is a number, got {value!r}")
    return value
