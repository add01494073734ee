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

from toolscript.approvals.request import Policy
from toolscript.approvals.terminal import TerminalDecider
from toolscript.errors import Json
from toolscript.events import BaseEvent
from toolscript.harness import Harness
from toolscript.run import Run
from toolscript_extension.cli.exits import exit_code
from toolscript_extension.cli.given import limits_of, params_of, read_source
from toolscript_extension.cli.show import Terminal, notify
from toolscript_extension.cli.streams import screen


def command(
    file: Annotated[str, typer.Argument(help="A TypeScript file, or - for standard input.", metavar="FILE.ts|-")],
    param: Annotated[
        list[str] | None,
        typer.Option("--param", help="A value that the script finds in params; once for each.", metavar="KEY=JSON"),
    ] = None,
    workspace: Annotated[Path, typer.Option(help="The directory that the script works in.")] = Path(),
    policy: Annotated[
        Policy | None, typer.Option(help="When consent is asked for; as configured, if left out.")
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option("--limit", help="A lower limit, such as calls=4.", metavar="NAME=NUMBER")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Print each event as a JSON line on stdout.")] = False,
) -> None:
    """Run a script and print its result.

    The result goes to stdout as JSON, what the script logs and does to stderr. Consent is asked for on the terminal.
    """
    if as_json and events:
        raise typer.BadParameter("choose one of --json and --events")
    params, limits = params_of(param or ()), limits_of(limit or ())
    shown = screen(stderr=True)
    harness = Harness(workspace, policy=policy)
    source = read_source(file, harness.limits.source_bytes)
    notify(harness.configuration, shown)
    listener = _event_lines if events else Terminal(shown, quiet=as_json)
    run = asyncio.run(_run(harness, source, params, limits, listener))
    if as_json:
        sys.stdout.write(orjson.dumps(run.to_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
    elif not events and run.result is not None:
        sys.stdout.write(json.dumps(run.result, ensure_ascii=False, indent=2) + "\n")
    raise typer.Exit(exit_code(run))


async def _run(
    harness: Harness, source: str, params: Json, limits: dict[str, float], listener: Callable[[BaseEvent], None]
) -> Run:
    """Run the script; Ctrl-C and a polite kill stop it with its processes, and still give its run."""
    seen: list[BaseEvent] = []
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        with ExitStack() as stack:
            # Listening outlasts the harness: what it ends when it closes is told too.
            stack.enter_context(harness.listening(seen.append))
            stack.enter_context(harness.listening(listener))
            async with harness:
                with TerminalDecider.attached(harness.approvals):
                    return await harness.run(source, params=params, limits=limits, origin="file")
    except asyncio.CancelledError:
        task.uncancel()
        return Run.fold(seen)


def _event_lines(event: BaseEvent) -> None:
    sys.stdout.write(event.model_dump_json() + "\n")
    sys.stdout.flush()
