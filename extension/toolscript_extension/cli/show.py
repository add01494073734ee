"""Decides how events look in a terminal: one calm line each, on stderr, with everything hostile made inert."""

from __future__ import annotations

import json

from rich.console import Console
from rich.text import Text

from toolscript.errors import Json
from toolscript.events import (
    BaseEvent,
    MessageDelta,
    OperationFinished,
    OperationStarted,
    OperationStatus,
    ScriptExecutionOutput,
    ScriptLog,
)
from toolscript.language.inert import visible

MARKS = {
    OperationStatus.SUCCEEDED: ("✓", "green"),
    OperationStatus.FAILED: ("✗", "red"),
    OperationStatus.DENIED: ("⊘", "yellow"),
    OperationStatus.CANCELLED: ("–", "yellow"),
    OperationStatus.PLANNED: ("…", "cyan"),
}
LEVELS = {"debug": "dim", "log": "", "info": "", "warn": "yellow", "error": "red"}


class Terminal:
    """Shows events as they come. Call it with each event."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._arguments: dict[int, str] = {}

    def __call__(self, event: BaseEvent) -> None:
        """Print what the event tells, if a reader wants it."""
        match event:
            case ScriptLog():
                self._line(visible(event.text), LEVELS[event.level])
            case OperationStarted():
                self._arguments[event.operation] = brief(event.arguments)
            case OperationFinished():
                self._operation(event)
            case MessageDelta() if event.channel == "text":
                self._console.print(Text(visible(event.text)), end="")
            case ScriptExecutionOutput() if event.error is not None:
                self._line(describe_error(event.error), "bold red")
            case _:
                pass
        if isinstance(event, ScriptExecutionOutput):
            for warning in event.warnings:
                self._line(f"warning: {visible(warning)}", "yellow")
            self._line(f"run {event.run_id}", "dim")

    def _operation(self, event: OperationFinished) -> None:
        mark, style = MARKS.get(event.status, ("·", ""))
        text = Text(f"  {mark} ", style=style)
        text.append(event.tool, style="bold")
        text.append(f" {self._arguments.get(event.operation, '')}", style="dim")
        text.append(f"  {event.duration_ms:.0f} ms", style="dim")
        if event.error is not None:
            text.append(f"\n    {visible(str(event.error.get('message', '')))}", style=style)
        self._console.print(text, soft_wrap=True)

    def _line(self, text: str, style: str) -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)


def brief(arguments: Json, width: int = 96) -> str:
    """Return arguments on one line, cut to ``width``, control characters made visible."""
    text = visible(json.dumps(arguments, ensure_ascii=False))
    return text if len(text) <= width else text[: width - 1] + "…"


def describe_error(error: dict[str, Json]) -> str:
    """Return an error as one line: code, place, message."""
    place = f" at line {error['line']}, column {error.get('column', 1)}" if error.get("line") else ""
    return f"{error.get('code', 'error')}{place}: {visible(str(error.get('message', '')))}"
