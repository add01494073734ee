"""Decides what a page is told that was away: which cells show a view that goes on, and how those ended that it missed.

A page that is loaded anew, or a second one, has none of the outputs that were not saved; no message of the protocol
brings them back. So a page asks for them, over a channel of its own that only our extension for JupyterLab opens.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from toolscript.errors import Json

TARGET = "toolscript.views"
KEPT = 50
"""So many cells are remembered."""


@dataclass(slots=True)
class _Kept:
    """What one cell shows: a widget while it runs, and then outputs as a notebook holds them."""

    cell: str
    view: str
    model: str
    edition: int = 0
    outputs: list[dict[str, Json]] | None = None
    seen: bool = False

    def told(self) -> dict[str, Json]:
        return {
            "cell": self.cell, "view": self.view, "model": self.model, "running": self.outputs is None,
            "edition": self.edition, "seen": self.seen,
        }  # fmt: skip


class Shelf:
    """Keeps the latest view of each cell for pages that come later. ``call`` runs a function on the cells' loop."""

    def __init__(self, comm_manager: Any, call: Callable[..., Any]) -> None:
        self._manager = comm_manager
        self._call = call
        self._comms: list[Any] = []
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def listen(self) -> None:
        """Take pages on from now on."""
        self._manager.register_target(TARGET, self._opened)

    def begins(self, cell: str, view: str, model: str) -> None:
        """Tell every page that a cell shows a widget."""
        self._tell(self._keep(cell, view, model))

    def _keep(self, cell: str, view: str, model: str = "") -> _Kept:
        self._kept.pop(cell, None)
        self._kept[cell] = kept = _Kept(cell, view, model)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return kept

    def left(self, cell: str, view: str, edition: int, outputs: list[dict[str, Json]]) -> None:
        """Tell every page that the cell shows other outputs now, which it may ask for; later editions replace these.

        Says nothing where the cell shows another view by now.
        """
        if edition == 1 and self._find(view) is None:
            self._keep(cell, view)
        if (kept := self._find(view)) is not None:
            kept.outputs, kept.edition, kept.seen = outputs, edition, False
            self._tell(kept)

    def _tell(self, kept: _Kept) -> None:
        for comm in self._comms:
            comm.send({"kind": "views", "views": [kept.told()]})

    def _find(self, view: object) -> _Kept | None:
        return next((k for k in self._kept.values() if k.view == view), None)

    # Both handlers may run on the thread of a subshell.
    def _opened(self, comm: Any, message: Any) -> None:
        comm.on_msg(lambda heard: self._call(self._heard, comm, heard["content"]["data"]))
        comm.on_close(lambda heard: self._call(self._left, comm))
        self._call(self._joined, comm)

    def _joined(self, comm: Any) -> None:
        self._comms.append(comm)
        comm.send({"kind": "views", "views": [k.told() for k in self._kept.values()]})

    def _left(self, comm: Any) -> None:
        if comm in self._comms:
            self._comms.remove(comm)

    def _heard(self, comm: Any, data: Any) -> None:
        if not isinstance(data, dict) or (kept := self._find(data.get("view"))) is None or kept.outputs is None:
            return
        # A page has the outputs now: what its person does with them, such as clearing them, is not undone later.
        kept.seen = True
        if data.get("kind") == "want":
            told = kept.told() | {"kind": "outputs", "outputs": kept.outputs}
            comm.send(told)
