"""Decides how a person in a Jupyter console is asked: one prompt at a time, through the protocol's input request."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import zmq

from toolscript.approvals.brief import in_brief
from toolscript.approvals.prompting import Batch, Edit, Help, View, question, read_answer
from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.approvals.text import as_text
from toolscript.errors import ToolscriptError
from toolscript_kernel.approvals.buttons import Decides
from toolscript_kernel.front import Asks
from toolscript_kernel.stage import Stage

BY = "console"
EDIT = "The arguments as one line of JSON, nothing to leave them: "
_POLL_MS = 50


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
        """Take the request away, also from the prompt, and go on to the next."""
        self._waiting.pop(approval_id, None)
        if self._current != approval_id:
            return
        self._stopped.set()
        if self._asking is None or self._asking.done():
            self._current = None
            self._next()

    def _next(self) -> None:
        if self._current is not None or not self._waiting:
            return
        self._current, request = next(iter(self._waiting.items()))
        self._stage.stream("stdout", f"\n{in_brief(request)}\n")
        self._ask(question(request, others=len(self._waiting) - 1), self._answered)

    def _ask(self, prompt: str, answered: Callable[[ApprovalRequest, str], str | None]) -> None:
        """Ask on the prompt; ``answered`` returns the next prompt while nothing was decided."""
        self._stopped = threading.Event()
        self._asking = self._loop.run_in_executor(None, self._asks, prompt, self._stopped)
        self._asking.add_done_callback(lambda asking: self._heard(asking, answered))

    def _heard(
        self, asking: asyncio.Future[str | None], answered: Callable[[ApprovalRequest, str], str | None]
    ) -> None:
        request = self._waiting.get(self._current or "")
        typed = None if asking.cancelled() or asking.exception() is not None else asking.result()
        if request is None or typed is None:
            self._current = None
            self._next()
        elif (again := answered(request, typed)) is not None:
            self._ask(again, self._edited if again == EDIT else self._answered)

    def _answered(self, request: ApprovalRequest, typed: str) -> str | None:
        others = len(self._waiting) - 1
        match read_answer(typed, request):
            case Decision() as decision:
                self._decide([request.approval_id], decision)
                return None
            case Batch(decision=decision):
                self._decide(list(self._waiting), decision)
                return None
            case Edit():
                return EDIT
            case View():
                self._stage.stream("stdout", f"{as_text(request, full=True)}\n")
            case Help(text=text):
                self._stage.stream("stdout", f"{text}\n")
        return question(request, others=others)

    def _edited(self, request: ApprovalRequest, typed: str) -> str | None:
        try:
            arguments = json.loads(typed) if typed.strip() else None
        except ValueError as error:
            self._stage.stream("stdout", f"this is not JSON: {error}\n")
            return EDIT
        if arguments is None:
            return question(request, others=len(self._waiting) - 1)
        self._decide([request.approval_id], Decision(choice=Choice.EDIT, by=BY, arguments=arguments))
        return None

    def _decide(self, approval_ids: list[str], decision: Decision) -> None:
        for approval_id in approval_ids:
            future = self._bridge.decide_threadsafe(approval_id, replace(decision, by=BY))
            future.add_done_callback(lambda f: self._loop.call_soon_threadsafe(self._taken, f))

    def _taken(self, future: concurrent.futures.Future[Decision]) -> None:
        """Ask again after an answer that did not count; one that did takes the request away by itself."""
        if not future.cancelled() and isinstance(error := future.exception(), ToolscriptError):
            self._stage.stream("stdout", f"{error.message}\n")
            if (request := self._waiting.get(self._current or "")) is not None:
                self._ask(question(request, others=len(self._waiting) - 1), self._answered)


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
