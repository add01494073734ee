"""Decides what a page's side panel knows of a kernel: which requests wait, which tasks run, and what it may answer."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from toolscript.errors import Json, ToolscriptError

if TYPE_CHECKING:
    from toolscript.approvals.request import ApprovalRequest
    from toolscript.harness import Harness

log = logging.getLogger(__name__)

TARGET = "toolscript.waiting"
BY = "side panel"
TOLD_OF = frozenset({"approval_requested", "approval_resolved", "task_started", "task_finished"})
CHOICES = frozenset({"allow", "deny"})
"""What can be answered beside the notebook; all other answers are given below the cell that asks."""


class Waiting:
    """Tells pages what waits for a person and what runs on in this kernel, and hands their answers to the bridge.

    It shows requests and is nobody who can be asked: where only a panel is open, a call is refused as before.
    ``loop`` is that of the cells; ``harness`` returns the kernel's harness, or None before the first cell needs it.
    """

    def __init__(
        self, comm_manager: Any, loop: asyncio.AbstractEventLoop, harness: Callable[[], Harness | None]
    ) -> None:
        self._manager = comm_manager
        self._loop = loop
        self._harness = harness
        self._comms: list[Any] = []
        self._due = False

    def listen(self) -> None:
        """Take pages on from now on."""
        self._manager.register_target(TARGET, self._opened)

    def heard(self, event: Any) -> None:
        """Listen to the harness: tell every page once for all that happened at one moment."""
        if event.type in TOLD_OF and self._comms and not self._due:
            self._due = True
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._due = False
        told = self._told()
        for comm in tuple(self._comms):
            comm.send(told)

    def _told(self) -> dict[str, Json]:
        harness = self._harness()
        board = getattr(harness, "board", None)  # there from the first cell that needs the harness
        tasks = [t for t in board.list() if t["status"] == "running"] if board is not None else []
        return {
            "kind": "waiting",
            "requests": [_request(r) for r in harness.approvals.pending] if harness is not None else [],
            "tasks": [{"id": t["id"], "tool": t["tool"]} for t in tasks],
        }

    # Both handlers may run on the thread of a subshell.
    def _opened(self, comm: Any, message: Any) -> None:
        comm.on_msg(lambda heard: self._loop.call_soon_threadsafe(self._answered, comm, heard["content"]["data"]))
        comm.on_close(lambda heard: self._loop.call_soon_threadsafe(self._left, comm))
        self._loop.call_soon_threadsafe(self._joined, comm)

    def _joined(self, comm: Any) -> None:
        self._comms.append(comm)
        comm.send(self._told())

    def _left(self, comm: Any) -> None:
        if comm in self._comms:
            self._comms.remove(comm)

    def _answered(self, comm: Any, data: Any) -> None:
        harness = self._harness()
        if harness is None or not isinstance(data, dict) or data.get("kind") != "answer":
            return
        approval_id, choice = data.get("id"), data.get("choice")
        if not isinstance(approval_id, str) or choice not in CHOICES:
            return
        from toolscript.approvals.request import Choice, Decision

        future = harness.approvals.decide_threadsafe(approval_id, Decision(choice=Choice(choice), by=BY))
        future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._ended, comm, approval_id, done))

    def _ended(self, comm: Any, approval_id: str, done: concurrent.futures.Future[Any]) -> None:
        """Tell the page that answered why its answer did not count; that it did, all see by what waits no more."""
        if done.cancelled() or not isinstance(error := done.exception(), ToolscriptError):
            return
        comm.send({"kind": "refused", "id": approval_id, "message": error.message})
        comm.send(self._told())


def _request(request: ApprovalRequest) -> dict[str, Json]:
    from toolscript.approvals.brief import first
    from toolscript.approvals.visible import one_line
    from toolscript.journal.records import OTHER_QUESTIONS

    return {
        "id": request.approval_id,
        "tool": one_line(request.tool),
        "says": [{"title": s.title, "text": s.text, "kind": s.kind} for s in first(request, full=True)],
        # A tool's question is answered by filling in a form, which stands below its cell.
        "answerable": not OTHER_QUESTIONS & request.extra.keys(),
        "run": request.run_id,
        "operation": request.operation,
    }
