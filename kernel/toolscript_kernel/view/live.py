"""Decides how a running cell looks with core widgets, and that the static record takes their place at the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from toolscript import events as ev
from toolscript_kernel.front import ipywidgets
from toolscript_kernel.record import Transcript, bundle, html, record, sheet
from toolscript_kernel.record.inert import markup
from toolscript_kernel.stage import Stage, new_slot
from toolscript_kernel.view.plain import print_log, worth_a_record

_VIEW = "application/vnd.jupyter.widget-view+json"


class LiveView:
    """A widget that follows a cell. A script cell gets one only when it calls a tool.

    The widget is never closed: after a page reload it is the only thing that still reaches the page, so it
    keeps holding the last state; the saved notebook holds the record that replaced it.
    """

    def __init__(self, stage: Stage, *, workspace: Path, offset: int = 0, in_turn: bool) -> None:
        self._stage = stage
        self._workspace = workspace
        self._offset = offset
        self._in_turn = in_turn
        self._slot = new_slot()
        self._begun = time.monotonic()
        self._root: Any = None
        if in_turn:
            self._open(Transcript(prompt=""))

    def event(self, event: ev.BaseEvent) -> None:
        """Pass the console of a script cell on."""
        if not self._in_turn:
            print_log(self._stage, event)

    def refresh(self, transcript: Transcript) -> None:
        """Show the state so far."""
        if self._root is None and worth_a_record(transcript):
            self._open(transcript)
        if self._root is not None:
            self._stage.run(self._update, transcript)

    def place(self, panels: tuple[Any, ...]) -> None:
        """Show the requests that wait for consent, below what happened so far."""
        if self._root is None:
            self._open(Transcript())
        self._stage.run(lambda: setattr(self._panels, "children", panels))

    def finish(self, transcript: Transcript) -> None:
        """Leave the record in the notebook, and the last state in the widget."""
        if self._root is None:
            if worth_a_record(transcript):
                self._stage.display(*record(transcript, workspace=self._workspace, offset=self._offset))
            return
        data, metadata = record(transcript, workspace=self._workspace, offset=self._offset)
        self._stage.replace(self._slot, data, metadata)
        self._stage.run(self._settle, transcript)

    def _open(self, transcript: Transcript) -> None:
        self._stage.run(self._make)
        first = bundle(sheet(transcript, workspace=self._workspace, offset=self._offset))
        view = {"version_major": 2, "version_minor": 0, "model_id": self._root.model_id}
        # What a page shows that cannot render widgets, and a notebook that is saved half-way.
        still = {"text/html": first["text/html"], "text/plain": "running…"}
        self._stage.display({_VIEW: view} | still, slot=self._slot)

    def _make(self) -> None:
        widgets = ipywidgets()
        self._status = widgets.HTML("")
        self._body = widgets.HTML("")
        self._panels = widgets.VBox([])
        self._root = widgets.VBox([self._body, self._panels, self._status])
        self._root.add_class("toolscript-view")

    def _update(self, transcript: Transcript) -> None:
        self._body.value = html.render(sheet(transcript, workspace=self._workspace, offset=self._offset))
        self._status.value = status_html(transcript, time.monotonic() - self._begun)

    def _settle(self, transcript: Transcript) -> None:
        self._panels.children = ()
        self._body.value = html.render(sheet(transcript, workspace=self._workspace, offset=self._offset))
        self._status.value = ""


def status_html(transcript: Transcript, seconds: float) -> str:
    """Return one line on how far a cell has come."""
    steps = [f"{seconds:.1f} s", f"step {transcript.steps}" if transcript.steps else "", transcript.model]
    waiting = sum(o.status.value == "awaiting_approval" for s in transcript.scripts for o in s.run.operations)
    state = "waits for approval" if waiting else "running"
    status = "awaiting_approval" if waiting else "running"
    shown = markup(" · ".join(filter(None, (state, *steps))))
    return f'<div role="status" style="font-size:12px;opacity:.8">{html.sign(status)} {shown}</div>'
