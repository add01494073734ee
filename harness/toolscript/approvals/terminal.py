"""Decides how a person at a terminal is asked: on the terminal itself, never on stdin or stdout."""

from __future__ import annotations

import os
import select
import subprocess
import termios
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from typing import Self

from rich.console import Console

from toolscript.approvals.bridge import Bridge
from toolscript.approvals.prompting import Answer, Batch, Edit, Help, View, edited, panel, question, read_answer
from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.approvals.visible import one_line
from toolscript.approvals.ways import said, who
from toolscript.errors import ApprovalUnavailable, ToolscriptError

DEVICE = "/dev/tty"
LINE_BYTES = 64 * 1024


class TerminalDecider:
    """Asks for consent on the controlling terminal, one request after the other, in a thread of its own.

    What was typed before a question was asked never answers it, and the loop never waits for the terminal. Use
    it as ``with TerminalDecider.attached(bridge)``.
    """

    name = "terminal"

    def __init__(self, bridge: Bridge, device: str = DEVICE) -> None:
        self._bridge = bridge
        self._waiting: OrderedDict[str, ApprovalRequest] = OrderedDict()
        self._settled: dict[str, Decision] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._editor: subprocess.Popen[bytes] | None = None
        self._fd = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        self._wake, self._alarm = os.pipe()
        os.set_blocking(self._alarm, False)
        self._device = device
        self._screen = os.fdopen(os.dup(self._fd), "w", encoding="utf-8", errors="replace")
        self._console = Console(file=self._screen, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._thread = threading.Thread(target=self._run, name="toolscript-terminal", daemon=True)

    @classmethod
    @contextmanager
    def attached(cls, bridge: Bridge, device: str = DEVICE) -> Iterator[TerminalDecider | None]:
        """Ask on the terminal while the block runs; yields None where there is no terminal to ask on."""
        with ExitStack() as stack:
            try:
                decider = cls(bridge, device)
            except OSError:  # no controlling terminal: a pipe, a service, continuous integration
                yield None
                return
            stack.enter_context(decider)
            stack.enter_context(bridge.attach(decider))
            yield decider

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            if self._editor is not None:
                self._editor.terminate()
        self._ring()
        self._thread.join()
        with suppress(OSError):  # the terminal may be gone
            self._screen.close()
        for fd in (self._fd, self._wake, self._alarm):
            os.close(fd)

    def show(self, request: ApprovalRequest) -> None:
        """Queue a request for the person. Raises ApprovalUnavailable while this job is in the background."""
        if not self._in_foreground():
            raise ApprovalUnavailable("the terminal belongs to another job", tool=request.tool)
        with self._changed:
            self._waiting[request.approval_id] = request
            self._changed.notify_all()

    def withdraw(self, approval_id: str, decision: Decision) -> None:
        """Take a request away, also from under an open question."""
        with self._changed:
            if self._waiting.pop(approval_id, None) is None:
                return
            self._settled[approval_id] = decision
        self._ring()

    def _in_foreground(self) -> bool:
        # Reading from the background would stop the whole process (SIGTTIN).
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return False

    def _ring(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._alarm, b"!")

    def _run(self) -> None:
        while (request := self._next()) is not None:
            try:
                self._ask(request)
            except OSError:
                # The terminal went away: nobody is there any more, and no human means no.
                self._propose(request, Decision(choice=Choice.DENY, by=self.name, reason="the terminal was closed"))
            self._say_who_decided(request)

    def _next(self) -> ApprovalRequest | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._waiting)
            return None if self._closing else next(iter(self._waiting.values()))

    def _ask(self, request: ApprovalRequest) -> None:
        self._console.print(panel(request, width=self._console.width))
        while self._is_open(request):
            self._drain()
            asked = question(request, others=len(self._waiting) - 1, width=self._console.width)
            self._console.print(asked, end="")
            self._screen.flush()
            line = self._line(request)
            if line is None:
                return
            if self._act(request, read_answer(line, request)):
                return

    def _act(self, request: ApprovalRequest, answer: Answer) -> bool:
        """Do what was answered; True when the request is settled."""
        match answer:
            case Decision():
                return self._propose(request, answer)
            case Batch(decision=decision):
                return self._decide_all(request, decision)
            case View():
                self._console.print(panel(request, width=self._console.width, full=True))
            case Edit():
                return self._edit(request)
            case Help(text=text):
                self._console.print(text)
        return False

    def _edit(self, request: ApprovalRequest) -> bool:
        changed = edited(request, self._run_editor, self._console)
        return changed is not None and self._propose(
            request, Decision(choice=Choice.EDIT, by=self.name, arguments=changed)
        )

    def _run_editor(self, command: list[str]) -> int:
        with open(self._device, "r+b", buffering=0) as terminal:  # a device, not a path of ours
            process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal)
        with self._changed:
            self._editor = process
        try:
            return process.wait()
        finally:
            with self._changed:
                self._editor = None

    def _decide_all(self, request: ApprovalRequest, decision: Decision) -> bool:
        with self._changed:
            waiting = list(self._waiting.values())
        for other in waiting:
            self._console.print(f"  {one_line(other.tool)}: {one_line(other.classification.summary or other.why)}")
        self._console.print(f"All {len(waiting)} will be {said(decision.choice)}. Type yes: ", end="")
        self._screen.flush()
        if (self._line(request) or "").strip() != "yes":
            return False
        # Only what was listed: a request that came since is asked for itself.
        for other in waiting:
            self._propose(other, decision)
        return True

    def _propose(self, request: ApprovalRequest, decision: Decision) -> bool:
        future = self._bridge.decide_threadsafe(request.approval_id, decision)
        future.add_done_callback(self._notify)
        with self._changed:
            # The loop may be closing this decider and wait for its thread: never wait for the loop alone.
            self._changed.wait_for(lambda: future.done() or self._closing)
            if not future.done():
                return True
        try:
            future.result()
        except (ToolscriptError, CancelledError) as error:
            if not self._is_open(request):
                return True
            with suppress(OSError):
                self._console.print(f"That did not count: {one_line(str(error))}")
            return False
        with self._changed:
            self._waiting.pop(request.approval_id, None)
        return True

    def _notify(self, _: object) -> None:
        with self._changed:
            self._changed.notify_all()

    def _is_open(self, request: ApprovalRequest) -> bool:
        with self._changed:
            return not self._closing and request.approval_id in self._waiting

    def _say_who_decided(self, request: ApprovalRequest) -> None:
        with self._changed:
            self._waiting.pop(request.approval_id, None)
            decision = self._settled.pop(request.approval_id, None)
        if decision is not None and decision.by != self.name:
            with suppress(OSError):
                self._console.print(
                    f"\n{one_line(request.tool)}: {said(decision.choice)} by {one_line(who(decision.by))}"
                )

    def _drain(self) -> None:
        """Forget what was typed, pasted or sent to the terminal before the question stands there."""
        with suppress(termios.error):
            termios.tcflush(self._fd, termios.TCIFLUSH)

    def _line(self, request: ApprovalRequest) -> str | None:
        """Return the next typed line, or None when the request was settled elsewhere. Raises OSError at the end."""
        typed = bytearray()
        while self._is_open(request):
            ready, _, _ = select.select([self._fd, self._wake], [], [])
            if self._wake in ready:
                os.read(self._wake, 1024)
                continue
            chunk = os.read(self._fd, 4096)
            if not chunk:
                raise OSError("the terminal was closed")
            typed += chunk
            if typed.endswith(b"\n") or len(typed) > LINE_BYTES:
                return typed.decode(errors="replace")
        return None
