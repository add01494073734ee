"""Decides what a page is told that was away: which views go on, how those ended that it missed, what was undone.

A page that is loaded anew, or a second one, has none of the outputs that were not saved; no message of the protocol
brings them back. So a page asks for them, over a channel of its own that only our extension for JupyterLab opens.
"""

from __future__ import annotations

import asyncio
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
    """Keeps the latest view of each cell for pages that come later, and tells them which runs were undone.

    ``loop`` is that of the cells; ``undone`` returns the runs that are undone, each with its undo, and may take long.
    """

    def __init__(
        self, comm_manager: Any, loop: asyncio.AbstractEventLoop, undone: Callable[[], dict[str, str]]
    ) -> None:
        self._manager = comm_manager
        self._loop = loop
        self._undone = undone
        self._call: Callable[..., Any] = loop.call_soon_threadsafe
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

    def tell_undone(self) -> None:
        """Tell every page which runs of the workspace are undone now; their buttons say so."""
        if self._comms:
            looked = self._loop.run_in_executor(None, self._undone)
            looked.add_done_callback(lambda found: self._tell_undone(found, tuple(self._comms)))

    def _tell_undone(self, found: asyncio.Future[dict[str, str]], comms: tuple[Any, ...]) -> None:
        if found.cancelled() or found.exception() is not None:
            return  # A button that is pressed in spite of that is told so by the undo itself.
        for comm in comms:
            comm.send({"kind": "undone", "undone": found.result()})

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
        self.tell_undone()

    def _left(self, comm: Any) -> None:
        if comm in self._comms:
            self._comms.remove(comm)

    def _heard(self, comm: Any, data: Any) -> None:
        if isinstance(data, dict) and data.get("kind") == "undone":
            self.tell_undone()
        if not isinstance(data, dict) or (kept := self._find(data.get("view"))) is None or kept.outputs is None:
            return
        # A page has the outputs now: what its person does with them, such as clearing them, is not undone later.
        kept.seen = True
        if data.get("kind") == "want":
            told = kept.told() | {"kind": "outputs", "outputs": kept.outputs}
            comm.send(told)
