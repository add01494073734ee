"""Decides through which decider the person is asked who runs a cell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from toolscript.approvals.terminal import TerminalDecider
from toolscript_kernel.approvals.buttons import ButtonDecider
from toolscript_kernel.approvals.console import ConsoleDecider
from toolscript_kernel.approvals.lasting import Bell
from toolscript_kernel.approvals.patient import PatientDecider
from toolscript_kernel.front import Caller, Front

if TYPE_CHECKING:
    from toolscript.approvals.bridge import Bridge
    from toolscript.approvals.request import Decider


@asynccontextmanager
async def asking(
    bridge: Bridge, caller: Caller, view: Any, offset: int, passing: Callable[[Decider], Decider]
) -> AsyncIterator[None]:
    """Put requests before the caller while the block runs; before nobody where nobody is there.

    ``passing`` leaves out what is asked elsewhere.
    """
    match caller.front:
        case Front.NOBODY:
            yield
        case Front.TERMINAL:
            with TerminalDecider.attached(bridge):
                yield
        case Front.WIDGETS:
            with bridge.attach(passing(ButtonDecider(bridge, view.place, offset=offset))):
                yield
        case Front.CONSOLE | Front.NOTEBOOK:
            decider = _decider(bridge, caller, view, offset)
            try:
                with bridge.attach(passing(decider)):
                    yield
            finally:
                await decider.close()


def late_decider(bridge: Bridge, caller: Caller, view: Any, offset: int) -> Decider | None:
    """Return who is asked for the tasks of a cell that has ended; None where nobody can be."""
    match caller.front:
        case Front.WIDGETS:
            return ButtonDecider(bridge, view.place, offset=offset)
        case Front.NOTEBOOK:
            buttons = ButtonDecider(bridge, view.place, offset=offset)
            return PatientDecider(buttons, lambda: view.drawn or caller.renders(), lambda: Bell(caller.stage))
        case Front.CONSOLE:
            return Bell(caller.stage)
    return None


def _decider(bridge: Bridge, caller: Caller, view: Any, offset: int) -> ConsoleDecider | PatientDecider:
    prompt = caller.prompt()

    def console() -> ConsoleDecider:
        return ConsoleDecider(bridge, caller.stage, prompt)

    if caller.front is Front.CONSOLE:
        return console()
    buttons = ButtonDecider(bridge, view.place, offset=offset)
    return PatientDecider(buttons, lambda: view.drawn or caller.renders(), console)
