"""Decides how events look in a terminal: one calm line each, on stderr, with everything hostile made inert."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from rich.text import Text

from toolscript.errors import Json
from toolscript.events import (
    BaseEvent,
    MessageDelta,
    OperationFinished,
    OperationStarted,
    OperationStatus,
    ScriptExecution,
    ScriptExecutionOutput,
    ScriptLog,
    TaskFinished,
    TaskStarted,
)
from toolscript.language.inert import visible

if TYPE_CHECKING:
    from rich.console import Console

    from toolscript.agent.configuration import Configuration
    from toolscript.harness import Harness

MARKS = {
    OperationStatus.SUCCEEDED: ("✓", "green"),
    OperationStatus.FAILED: ("✗", "red"),
    OperationStatus.DENIED: ("⊘", "yellow"),
    OperationStatus.CANCELLED: ("–", "yellow"),
    OperationStatus.PLANNED: ("…", "cyan"),
}
_ACTING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What JSON lets stand although a terminal obeys it: the controls beyond ASCII, and marks of direction."""
LEVELS = {"debug": "dim", "log": "", "info": "", "warn": "yellow", "error": "red"}


class Terminal:
    """Shows events as they come. Call it with each event.

    ``quiet`` is for whoever reads a result by machine: only what that result cannot tell is shown.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._arguments: dict[int, str] = {}
        self._tasks: dict[str, TaskStarted] = {}
        self._said: dict[str, str] = {}
        """What failed calls of the run said, and whose call it was."""
        self._dry: set[str | None] = set()
        """Runs that only plan."""

    def __call__(self, event: BaseEvent) -> None:
        """Print what the event tells, if a reader wants it."""
        match event:
            case TaskStarted():
                self._tasks[event.task_id] = event
            case TaskFinished():
                self._task(event)
            case _ if not self._quiet:
                self._show(event)
            case _:
                pass
        if isinstance(event, ScriptExecutionOutput):
            for task in self._tasks.values():
                what = f"{task.tool} {self._arguments.get(task.operation, '')}".rstrip()
                self._line(f"task {task.task_id} still runs and ends with this command: {what}", "yellow")

    def _show(self, event: BaseEvent) -> None:
        match event:
            case ScriptExecution() if event.mode == "dry-run":
                self._dry.add(event.run_id)
            case ScriptLog():
                self._line(visible(event.text), LEVELS[event.level])
            case OperationStarted():
                self._arguments[event.operation] = brief(event.arguments)
            case OperationFinished():
                self._operation(event)
            case MessageDelta() if event.channel == "text":
                self._console.print(Text(visible(event.text)), end="", soft_wrap=True)
            case ScriptExecutionOutput():
                self._ending(event)
            case _:
                pass

    def _ending(self, event: ScriptExecutionOutput) -> None:
        if event.error is not None:
            self._line(self._why(event.error), "bold red")
        self._said.clear()
        for warning in event.warnings:
            self._line(f"warning: {visible(warning)}", "yellow")
        # A dry run has no journal that its id could name.
        dry = event.run_id in self._dry
        self._line("planned only: nothing of this was done" if dry else f"run {event.run_id}", "dim")

    def _why(self, error: dict[str, Json]) -> str:
        """Return the error that ended the run; what a failed call has said above is not said again."""
        message = str(error.get("message", ""))
        if (tool := self._said.get(message)) is not None:
            return f"{code_and_place(error)}, in {tool} above"
        for said, tool in self._said.items():  # what the script made of it
            message = message.replace(said, f"(as {tool} says above)")
        return describe_error(error | {"message": message})

    def _task(self, event: TaskFinished) -> None:
        self._tasks.pop(event.task_id, None)
        why = f": {visible(str(event.error.get('message', '')))}" if event.error else ""
        self._line(f"task {event.task_id} {event.status.value} after {duration(event.duration_ms)}{why}", "dim")

    def _operation(self, event: OperationFinished) -> None:
        mark, style = MARKS.get(event.status, ("·", ""))
        text = Text(f"  {mark} ", style=style)
        text.append(event.tool, style="bold")
        asked = self._arguments.get(event.operation, "")
        text.append(f" {asked if event.ran_with is None else brief(event.ran_with)}", style="dim")
        if event.ran_with is not None:
            text.append(f"  edited, the script asked for {asked}", style="yellow")
        planned = event.status is OperationStatus.PLANNED
        text.append("  planned, not done" if planned else f"  {duration(event.duration_ms)}", style="dim")
        if event.error is not None:
            if message := str(event.error.get("message", "")):
                self._said[message] = event.tool
            text.append(f"\n    {visible(str(event.error.get('message', '')))}", style=style)
        self._console.print(text, soft_wrap=True)

    def _line(self, text: str, style: str) -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)


def json_text(value: Json, indent: int | None = 2) -> str:
    """Return a value as JSON in which nothing acts on a terminal or hides."""
    return escaped(json.dumps(value, ensure_ascii=False, indent=indent))


def escaped(text: str) -> str:
    """Return a JSON text with what acts on a terminal or hides written as escapes: it means the same."""
    return _ACTING.sub(lambda found: json.dumps(found.group())[1:-1], text)


def notify(configuration: Configuration, console: Console) -> None:
    """Say what a workspace's configuration asks for and does not get, and how to give it."""
    if configuration.notice:
        console.print(Text(visible(configuration.notice), style="yellow"), soft_wrap=True)


async def notify_unserved(harness: Harness, console: Console) -> None:
    """Say which MCP servers did not start, and why, once each had its time for it."""
    for failure in await harness.served.failures():
        console.print(Text(visible(failure), style="yellow"), soft_wrap=True)


def duration(milliseconds: float) -> str:
    """Return a duration as ``12 ms`` or ``3.4 s``."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def brief(arguments: Json, width: int = 96) -> str:
    """Return arguments on one line, cut to ``width``, control characters made visible."""
    text = visible(json.dumps(arguments, ensure_ascii=False))
    return text if len(text) <= width else text[: width - 1] + "…"


def describe_error(error: dict[str, Json]) -> str:
    """Return an error as one line: code, place, message."""
    name, message = str(error.get("code", "error")).replace("_", " "), visible(str(error.get("message", "")))
    return f"{code_and_place(error)}: {message.removeprefix(f'{name}: ')}"


def code_and_place(error: dict[str, Json]) -> str:
    """Return an error's code and where in the script it came from."""
    place = f" at line {error['line']}, column {error.get('column', 1)}" if error.get("line") else ""
    return f"{error.get('code', 'error')}{place}"
