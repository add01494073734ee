"""Decides how a person in a Jupyter console is asked: one prompt at a time, through the protocol's input request."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from typing import Any, Protocol

import zmq

from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.approvals.text import as_text
from toolscript_kernel.approvals.buttons import Decides
from toolscript_kernel.stage import Stage

BY = "console"
PROMPT = "Allow this once? [y]es, [n]o, [s]top, or no with a reason: "
_POLL_MS = 50


class Asks(Protocol):
    """Puts a prompt before the person at the console; blocks, and returns None when stopped."""

    def __call__(self, prompt: str, stopped: threading.Event) -> str | None:
        """Return the line that was typed."""
        ...


class ConsoleDecider:
    """Asks on the prompt of the client that runs the cell."""

    name = "console"

    def __init__(self, bridge: Decides, stage: Stage, asks: Asks) -> None:
        self._bridge = bridge
        self._stage = stage
        self._asks = asks
        self._loop = asyncio.get_running_loop()
        self._waiting: OrderedDict[str, ApprovalRequest] = OrderedDict()
        self._stopped = threading.Event()
        self._current: str | None = None
        self._asking: asyncio.Future[str | None] | None = None

    async def close(self) -> None:
        """Take the prompt back and wait until it is: two threads must not read one socket."""
        self._waiting.clear()
        self._stopped.set()
        if self._asking is not None:
            await asyncio.wait([self._asking])

    def show(self, request: ApprovalRequest) -> None:
        """Put the request before the person as soon as those before it are decided."""
        self._waiting[request.approval_id] = request
        self._next()

    def withdraw(self, approval_id: str, decision: Decision) -> None:
        """Take the request away, also from the prompt."""
        self._waiting.pop(approval_id, None)
        if self._current == approval_id:
            self._stopped.set()

    def _next(self) -> None:
        if self._current is not None or not self._waiting:
            return
        self._current, request = next(iter(self._waiting.items()))
        self._stopped = threading.Event()
        self._stage.stream("stdout", f"\n{as_text(request)}\n")
        self._asking = self._loop.run_in_executor(None, self._asks, PROMPT, self._stopped)
        self._asking.add_done_callback(self._answered)

    def _answered(self, asking: asyncio.Future[str | None]) -> None:
        approval_id, self._current = self._current, None
        if approval_id is not None and not asking.cancelled() and asking.exception() is None:
            line = asking.result()
            if line is not None and approval_id in self._waiting:
                self._waiting.pop(approval_id)
                self._bridge.decide_threadsafe(approval_id, decision_of(line))
        self._next()


def decision_of(line: str) -> Decision:
    """Return what a typed line means: only a clear yes allows."""
    word = line.strip()
    match word.lower():
        case "y" | "yes":
            return Decision(choice=Choice.ALLOW, by=BY)
        case "s" | "stop":
            return Decision(choice=Choice.DENY_AND_STOP, by=BY)
        case "" | "n" | "no":
            return Decision(choice=Choice.DENY, by=BY)
        case _:
            return Decision(choice=Choice.DENY, by=BY, reason=word)


def kernel_prompt(kernel: Any) -> Asks:
    """Return a prompt on the client whose cell is running now.

    The kernel's own ``_input_request`` cannot be taken back when the run ends first; this one can.
    """
    parent = kernel.get_parent("shell")
    identity = kernel._parent_ident["shell"]

    def ask(prompt: str, stopped: threading.Event) -> str | None:
        socket, session = kernel.stdin_socket, kernel.session
        while socket.poll(0):
            socket.recv_multipart(zmq.NOBLOCK)  # an answer to an older question
        session.send(socket, "input_request", {"prompt": prompt, "password": False}, parent, ident=identity)
        while not stopped.is_set():
            if socket.poll(_POLL_MS):
                _, reply = session.recv(socket)
                if reply is not None:
                    return str(reply["content"].get("value", ""))
        return None

    return ask
