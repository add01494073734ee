"""Decides how a view reaches the page: an anywidget that is sent patches, and a snapshot when a page begins anew."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from toolscript.errors import Json
from toolscript_kernel.record.secrets import hidden
from toolscript_kernel.view.model import patch

_STATIC = Path(__file__).parent / "static"


@cache
def _view_class() -> Any:
    """Return the widget's class; anywidget is loaded when the first one is shown."""
    import anywidget
    import traitlets

    class ToolscriptView(anywidget.AnyWidget):
        """The live view of one cell."""

        _esm = "\n".join((_STATIC / name).read_text("utf-8") for name in ("view.js", "widget.js"))
        _css = (_STATIC / "view.css").read_text("utf-8")
        # A page that loads the widget reads the state of that moment; until then nothing is sent.
        snapshot = traitlets.Any().tag(sync=True, to_json=lambda value, widget: widget.current())

        def __init__(self, current: Callable[[], Json]) -> None:
            self.current = current
            super().__init__()

        def __repr__(self) -> str:
            return "toolscript view"

    return ToolscriptView


class PageView:
    """One widget, and what the pages that show it know. ``ready`` is called when a page has drawn it."""

    def __init__(self, state: dict[str, Json], ready: Callable[[], None]) -> None:
        self._state = hidden(state) | {"seq": 0}
        self._ready = ready
        self._loop = asyncio.get_running_loop()
        # Its clock is that of the moment of reading: the page counts on from there.
        self.widget = _view_class()(lambda: self._state | {"now": time.time()})
        # Handlers may run on the thread of a subshell.
        self.widget.on_msg(lambda *heard: self._loop.call_soon_threadsafe(self._heard, heard[1]))

    def show(self, state: dict[str, Json]) -> int:
        """Bring every open page up to date; returns the size of what was sent."""
        before = self._state
        self._state = hidden(state) | {"seq": before["seq"] + 1}
        message = {"kind": "patch", "after": before["seq"], "patch": patch(before, self._state)}
        self.widget.send(message)
        return len(json.dumps(message))

    def _heard(self, content: Any) -> None:
        if isinstance(content, dict) and content.get("kind") == "ready":
            self._ready()
            self.widget.send({"kind": "snapshot", "snapshot": self.widget.current()})
