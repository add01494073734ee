"""Decides what is shown where nothing can be updated: a record at the end, or lines in a terminal as they come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from toolscript import events as ev
from toolscript.run import Run
from toolscript_kernel.record import Transcript, record, text
from toolscript_kernel.record.sheet import ScriptSheet, sheet
from toolscript_kernel.stage import Stage


class QuietView:
    """Shows the record once, at the end; the console of a script cell goes to the output streams as it comes.

    For programs that run notebooks: they compare outputs, and drop updates.
    """

    def __init__(self, stage: Stage, *, workspace: Path, offset: int = 0, in_turn: bool) -> None:
        self._stage = stage
        self._workspace = workspace
        self._offset = offset
        self._in_turn = in_turn

    def event(self, event: ev.BaseEvent) -> None:
        """Pass the console of a script cell on."""
        if not self._in_turn:
            print_log(self._stage, event)

    def refresh(self, transcript: Transcript) -> float:
        """Show nothing yet."""
        return 1.0

    def finish(self, transcript: Transcript) -> None:
        """Show the record, if there is more to it than the cell's own console and result."""
        if worth_a_record(transcript):
            self._stage.display(*record(transcript, workspace=self._workspace, offset=self._offset))


class TerminalView:
    """Writes what happens line by line: answers as they stream, operations as they end."""

    def __init__(self, stage: Stage, *, workspace: Path, offset: int = 0, in_turn: bool) -> None:
        self._stage = stage
        self._workspace = workspace
        self._offset = offset
        self._in_turn = in_turn
        self._shown = 0
        self._column = 0

    def event(self, event: ev.BaseEvent) -> None:
        """Write the model's text and the console as they come."""
        match event:
            case ev.MessageDelta(channel="text", text=written) if event.parent is None:
                self._write(written)
            case ev.ScriptLog(text=line) if self._in_turn:
                self._line(f"  | {line}")
            case ev.ScriptLog():
                print_log(self._stage, event)

    def refresh(self, transcript: Transcript) -> float:
        """Write the runs that have ended since the last time."""
        ended = [s for s in self._scripts(transcript) if s.status != "running"]
        for script in ended[self._shown :]:
            if self._in_turn or script.operations or script.warnings:
                # Its console was written as it came.
                self._line(text.script(replace(script, logs=()), self._in_turn))
        self._shown = max(self._shown, len(ended))
        return 0.0

    def finish(self, transcript: Transcript) -> None:
        """Write what is left."""
        self.refresh(transcript)
        end = sheet(transcript, workspace=self._workspace)
        if end.is_turn and (ending := text.turn_ending(end)):
            self._line(ending)
        if self._column:
            self._write("\n")

    def _scripts(self, transcript: Transcript) -> list[ScriptSheet]:
        parts = sheet(transcript, workspace=self._workspace, offset=self._offset).parts
        return [p for p in parts if isinstance(p, ScriptSheet)]

    def _line(self, written: str) -> None:
        self._write(f"{chr(10) if self._column else ''}{written}\n")

    def _write(self, written: str) -> None:
        self._stage.stream("stdout", written)
        self._column = len(written) - 1 - written.rfind("\n")


def print_log(stage: Stage, event: ev.BaseEvent) -> None:
    """Write a console line of a script cell as a program would: warnings and errors on stderr."""
    if isinstance(event, ev.ScriptLog) and event.parent is None:
        stage.stream("stderr" if event.level in ("warn", "error") else "stdout", f"{event.text}\n")


def worth_a_record(transcript: Transcript) -> bool:
    """Tell whether a cell did more than print and return: such a cell needs no record."""
    return transcript.prompt is not None or any(_busy(s.run) for s in transcript.scripts)


def _busy(run: Run) -> bool:
    return bool(run.operations or run.warnings)
