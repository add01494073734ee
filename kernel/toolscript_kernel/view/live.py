"""Decides how a running cell is shown in a page with widgets, and that the static record takes its place at the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolscript import events as ev
from toolscript.errors import Json
from toolscript_kernel.front import ipywidgets
from toolscript_kernel.record import MIME, Transcript, bundle, html, record, sheet
from toolscript_kernel.record.secrets import hidden
from toolscript_kernel.stage import Stage, new_slot
from toolscript_kernel.view import left
from toolscript_kernel.view.model import Model
from toolscript_kernel.view.plain import print_log, worth_a_record
from toolscript_kernel.view.shelf import Shelf
from toolscript_kernel.view.widget import PageView

_VIEW = "application/vnd.jupyter.widget-view+json"
READY_SECONDS = 3.0
"""After this long without a word from the page, its view is drawn with core widgets."""
BYTES_PER_SECOND = 400_000
"""What one view sends at most: servers cut a kernel off at a million bytes a second."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a view stands: the output area of a cell, which other pages may show as well."""

    stage: Stage
    cell_id: str | None = None
    shelf: Shelf | None = None

    def begins(self, view: str, model: str) -> None:
        """Let pages that come later find the widget."""
        if self.shelf is not None and self.cell_id:
            self.stage.run(self.shelf.begins, self.cell_id, view, model)

    def left(self, view: str, edition: int, outputs: list[dict[str, Json]]) -> None:
        """Let pages that missed it have what stands there now."""
        if self.shelf is not None and self.cell_id:
            self.stage.run(self.shelf.left, self.cell_id, view, edition, outputs)


class LiveView:
    """A widget that follows a cell. A script cell gets one only when it calls a tool.

    The widget is never closed: after a page reload it is the only thing that still reaches the page, so it
    keeps holding the last state; the saved notebook holds the record that replaced it. While a task of an ended
    cell waits for consent, the widget stands in the record's place once more.
    """

    def __init__(self, place: Place, *, workspace: Path, offset: int = 0, in_turn: bool, max_calls: int = 0) -> None:
        self.drawn = False
        """Whether a page has told that it draws the view."""
        self._stage = place.stage
        self._place = place
        self._workspace = workspace
        self._offset = offset
        self._in_turn = in_turn
        self._model = Model(offset=offset, max_calls=max_calls)
        self._slot = new_slot()
        self._page: PageView | None = None
        self._finished = False
        self._panels_shown: tuple[Any, ...] = ()
        self._edition = 0
        self._still: Any = None
        self._patience: asyncio.TimerHandle | None = None
        self._last = Transcript(prompt="" if in_turn else None)
        if in_turn:
            self._open()

    def event(self, event: ev.BaseEvent) -> None:
        """Pass the console of a script cell on."""
        if not self._in_turn:
            print_log(self._stage, event)

    def refresh(self, transcript: Transcript) -> float:
        """Show the state so far; of a cell that has ended, only while a task of it asks."""
        self._last = transcript
        if self._finished and not self._panels_shown:
            return 0.0
        if self._page is None and worth_a_record(transcript):
            self._open()
        return 0.0 if self._page is None else self._stage.run(self._update, self._page)

    def place(self, panels: tuple[Any, ...]) -> None:
        """Show the requests that wait for consent, below what happened so far."""
        asked, self._panels_shown = self._panels_shown, panels
        if self._finished and not panels:
            self._leave()
            return
        if self._page is None and not self._finished:
            self._open()
        elif self._finished and not asked:
            self._ask_again()
        self._stage.run(lambda: setattr(self._panels, "children", panels))

    def finish(self, transcript: Transcript) -> None:
        """Leave the record in the notebook, and the last state in the widget; again when a task ended later."""
        self._last = transcript
        if self._finished and self._panels_shown:
            # Another task asks: the record comes when that is decided.
            self.refresh(transcript)
            return
        self._finished, self._panels_shown = True, ()
        if self._patience is not None:
            self._patience.cancel()
        self._leave()

    def _leave(self) -> None:
        if self._page is not None:
            self._stage.run(self._settle)
        if self._edition or self._page is not None or worth_a_record(self._last):
            self._put({})

    def _ask_again(self) -> None:
        """Put the widget in the record's place; what cannot render it shows the record."""
        if self._page is None:
            self._stage.run(self._make)
        else:
            self._stage.run(self._update, self._page)
        self._put({_VIEW: self._view()})

    def _put(self, widget: dict[str, Any]) -> None:
        """Put the record in the view's place, or a widget that falls back to it, in every page that has the cell."""
        data, metadata = record(self._last, workspace=self._workspace, offset=self._offset)
        data = widget | data
        self._edition += 1
        # By these a page knows whether it has what stands there now.
        metadata[MIME] |= {"view": self._slot, "edition": self._edition}
        if self._edition > 1 or self._page is not None:
            self._stage.replace(self._slot, data, metadata)
        else:
            self._stage.display(data, metadata, slot=self._slot)
        outputs = left.outputs(self._last, data, metadata, offset=self._offset, count=self._stage.count)
        self._place.left(self._slot, self._edition, outputs)

    def _view(self) -> dict[str, Any]:
        return {"version_major": 2, "version_minor": 0, "model_id": self._root.model_id}

    def _open(self) -> None:
        self._stage.run(self._make)
        first = bundle(sheet(self._last, workspace=self._workspace, offset=self._offset))
        # What a page shows that cannot render widgets, and a notebook that is saved half-way.
        still = {"text/html": hidden(first["text/html"]), "text/plain": "running…"}
        self._stage.display({_VIEW: self._view()} | still, slot=self._slot)
        self._place.begins(self._slot, self._root.model_id)

    def _make(self) -> None:
        widgets = ipywidgets()
        self._page = PageView(self._model.state(self._last), self._ready)
        self._panels = widgets.VBox([])
        self._root = widgets.VBox([self._page.widget, self._panels])
        self._root.add_class("toolscript-view")
        self._patience = asyncio.get_running_loop().call_later(READY_SECONDS, self._give_up)

    def _ready(self) -> None:
        self.drawn = True
        if self._patience is not None:
            self._patience.cancel()

    def _give_up(self) -> None:
        """The page cannot load the view's code: show the record as it grows instead."""
        self._stage.run(self._make_still)

    def _make_still(self) -> None:
        self._still = ipywidgets().HTML(self._drawing())
        self._root.children = (self._still, self._panels)

    def _update(self, page: PageView) -> float:
        sent = page.show(self._model.state(self._last))
        if self._still is not None:
            self._still.value = self._drawing()
            sent += len(self._still.value)
        return sent / BYTES_PER_SECOND

    def _settle(self) -> None:
        """Put the whole end into the widget: after a reload, the cell's other outputs did not reach the page."""
        assert self._page is not None
        self._panels.children = ()
        self._page.show(self._model.state(self._last, ended=True, full=True))
        if self._still is not None:
            self._still.value = self._drawing()

    def _drawing(self) -> str:
        drawn: str = hidden(html.render(sheet(self._last, workspace=self._workspace, offset=self._offset)))
        return drawn
