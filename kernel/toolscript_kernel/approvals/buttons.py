"""Decides how clicks in a notebook become decisions: through the loop, once, and refused ones are shown."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any, Protocol

from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.errors import ToolscriptError
from toolscript_kernel.approvals.controls import button, row
from toolscript_kernel.approvals.panel import BY, Panel
from toolscript_kernel.front import ipywidgets

LINGER_SECONDS = 0.7
"""So long a decided request stays in its place, its buttons dead: a second click must not hit the next request."""


class Decides(Protocol):
    """What deciders need of the approval bridge."""

    def decide_threadsafe(self, approval_id: str, decision: Decision) -> concurrent.futures.Future[Decision]:
        """Propose a decision from any thread."""
        ...


class ButtonDecider:
    """Shows requests as buttons in one cell's view; ``place`` is given the panels that are open, oldest first."""

    name = "widget"

    def __init__(self, bridge: Decides, place: Callable[[tuple[Any, ...]], None], *, offset: int = 0) -> None:
        self._bridge = bridge
        self._place = place
        self._offset = offset
        self._loop = asyncio.get_running_loop()
        self._panels: dict[str, Panel] = {}
        self._decided: set[str] = set()

    def show(self, request: ApprovalRequest) -> None:
        """Put the request at the end of the list."""
        panel = Panel(request, self._clicked, offset=self._offset, changed=self._list)
        self._panels[request.approval_id] = panel
        self._list()

    def withdraw(self, approval_id: str, decision: Decision) -> None:
        """Take the request off the list; later clicks on it do nothing."""
        if (panel := self._panels.get(approval_id)) is not None and approval_id not in self._decided:
            panel.settled(decision)
            self._decided.add(approval_id)
            self._list()
            self._loop.call_later(LINGER_SECONDS, self._remove, approval_id)

    def _remove(self, approval_id: str) -> None:
        self._decided.discard(approval_id)
        if self._panels.pop(approval_id, None) is not None:
            self._list()

    def _list(self) -> None:
        boxes = tuple(panel.box for panel in self._panels.values())
        together = tuple(i for i, p in self._waiting().items() if "question" not in p.request.extra and not p.editing)
        self._place((self._all(together), *boxes) if len(together) > 1 else boxes)

    def _waiting(self) -> dict[str, Panel]:
        return {i: p for i, p in self._panels.items() if i not in self._decided}

    def _all(self, shown: tuple[str, ...]) -> Any:
        """Return buttons that answer all requests which are shown now, and none that come later."""
        count = len(shown)
        head = ipywidgets().HTML(f'<b style="margin-right:8px">{count} requests wait</b>')
        allow = button(f"Allow all {count} once", lambda: self._clicked_all(shown, Choice.ALLOW), style="success")
        deny = button(f"Deny all {count}", lambda: self._clicked_all(shown, Choice.DENY), style="danger")
        return row(head, allow, deny)

    def _clicked_all(self, approval_ids: tuple[str, ...], choice: Choice) -> None:
        for approval_id in approval_ids:
            self._clicked(approval_id, Decision(choice=choice, by=BY))

    def _clicked(self, approval_id: str, decision: Decision) -> None:
        if (panel := self._waiting().get(approval_id)) is None:
            return
        panel.wait()
        future = self._bridge.decide_threadsafe(approval_id, decision)
        future.add_done_callback(lambda f: self._loop.call_soon_threadsafe(self._ended, approval_id, f))

    def _ended(self, approval_id: str, future: concurrent.futures.Future[Decision]) -> None:
        panel = self._waiting().get(approval_id)
        if panel is None or future.cancelled():
            return
        if isinstance(error := future.exception(), ToolscriptError):
            panel.refused(error.message)
