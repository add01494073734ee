"""Decides who is asked in a page that may not render widgets: by buttons, and on its prompt if nothing is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from toolscript.approvals.request import ApprovalRequest, Decider, Decision
from toolscript_kernel.approvals.buttons import ButtonDecider

PATIENCE_SECONDS = 3.0


class Closes(Decider, Protocol):
    """A decider that can be told to ask nobody any more."""

    async def close(self) -> None:
        """Ask nobody any more."""
        ...


class PatientDecider:
    """Shows buttons at once; a page that has drawn none of them after a while is asked on its prompt as well."""

    name = "widget"

    def __init__(
        self,
        buttons: ButtonDecider,
        renders: Callable[[], bool],
        console: Callable[[], Closes],
        *,
        seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._buttons = buttons
        self._renders = renders
        self._make = console
        self._seconds = seconds
        self._console: Closes | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: dict[str, ApprovalRequest] = {}

    def show(self, request: ApprovalRequest) -> None:
        """Put the request before the person, wherever that can be seen."""
        self._waiting[request.approval_id] = request
        self._buttons.show(request)
        if self._console is not None:
            self._console.show(request)
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def withdraw(self, approval_id: str, decision: Decision) -> None:
        """Take the request away everywhere."""
        self._waiting.pop(approval_id, None)
        self._buttons.withdraw(approval_id, decision)
        if self._console is not None:
            self._console.withdraw(approval_id, decision)

    async def close(self) -> None:
        """Ask nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._console is not None:
            await self._console.close()

    def _look(self) -> None:
        self._timer = None
        if not self._renders() and self._waiting:
            self._console = self._make()
            for request in self._waiting.values():
                self._console.show(request)
