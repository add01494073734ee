"""Decides what the front end that runs a cell can do: show widgets, be asked on a prompt, or neither."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from toolscript_kernel.stage import Stage
    from toolscript_kernel.view.shelf import Shelf

CONTROL_TARGET = "jupyter.widget.control"


class Front(StrEnum):
    """What stands at the other end of an execute request."""

    WIDGETS = "widgets"
    """A notebook page that has shown that it renders widgets."""
    NOTEBOOK = "notebook"
    """A notebook page with a person before it; whether it renders widgets is not known yet."""
    CONSOLE = "console"
    """A terminal with a person before it."""
    TERMINAL = "terminal"
    """IPython in a terminal of its own, without a kernel."""
    NOBODY = "nobody"
    """A program that runs a notebook: nobody can be asked, and nothing is updated."""


class Asks(Protocol):
    """Puts a prompt before the person at the console; blocks, and returns None when stopped."""

    def __call__(self, prompt: str, stopped: threading.Event) -> str | None:
        """Return the line that was typed."""
        ...


def _no_prompt() -> Asks:
    raise RuntimeError("this client has no prompt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who runs a cell, and how that client can be reached.

    ``prompt`` returns a way to ask on its prompt; ``renders`` tells whether it has shown that it renders widgets;
    ``shelf`` keeps what its cells show for pages that come later; ``alone`` tells that the cell holds commands only.
    """

    front: Front
    stage: Stage
    cell_id: str | None = None
    prompt: Callable[[], Asks] = _no_prompt
    renders: Callable[[], bool] = lambda: False
    shelf: Shelf | None = None
    alone: bool = False


class Handshakes:
    """Remembers which clients opened the widget control channel; safe to call from any thread."""

    def __init__(self, comm_manager: Any) -> None:
        self._manager = comm_manager
        self._sessions: set[str] = set()
        self.count = 0

    def listen(self) -> None:
        """Hear of each client that opens the channel. ipywidgets puts its own handler there when it is imported."""
        self._manager.register_target(CONTROL_TARGET, self._opened)

    def seen(self, session: str) -> bool:
        """Tell whether this client renders widgets."""
        return session in self._sessions

    def _opened(self, comm: Any, msg: Any) -> None:
        widgets = ipywidgets()
        self.listen()
        self._sessions.add(msg["header"]["session"])
        self.count += 1
        widgets.Widget.handle_control_comm_opened(comm, msg)


def ipywidgets() -> Any:
    """Return the module of widgets, loaded when the first client that renders them appears."""
    import ipywidgets as module

    return module


def client_of(parent: Any) -> str:
    """Return which client sent a message."""
    return str(((parent or {}).get("header") or {}).get("session", ""))


def front_of(parent: Any, *, allow_stdin: bool, cell_id: str | None, handshakes: Handshakes) -> Front:
    """Return what the client of this execute request can do."""
    if handshakes.seen(client_of(parent)):
        return Front.WIDGETS
    if not allow_stdin:
        return Front.NOBODY
    return Front.NOTEBOOK if cell_id else Front.CONSOLE
