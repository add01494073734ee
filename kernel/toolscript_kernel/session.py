"""Decides how our cells run in a kernel, ours or the stock one: one at a time, stoppable, and ended with it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from toolscript_kernel import commands
from toolscript_kernel.busy import Busy, interrupts
from toolscript_kernel.cells import Cell, Kind
from toolscript_kernel.desk import CellError, Desk
from toolscript_kernel.front import Caller, Front, Handshakes, client_of, front_of
from toolscript_kernel.stage import Stage
from toolscript_kernel.undoing import taken_back
from toolscript_kernel.view.shelf import Shelf
from toolscript_kernel.view.waiting import Waiting

if TYPE_CHECKING:
    from toolscript_kernel.completion.service import Completer

CLOSE_SECONDS = 5.0
"""How long a shutdown waits for runs to end before the process goes anyway."""


WARM_SECONDS = 1.0
"""After this long, the library is loaded in the background, before somebody waits for it."""


class Session:
    """What one IPython shell and its kernel have of toolscript. ``kernel`` is None in a terminal."""

    def __init__(self, shell: Any, kernel: Any) -> None:
        self.shell = shell
        self.desk = Desk(shell)
        self._kernel = kernel
        self._handshakes = Handshakes(kernel.comm_manager) if kernel is not None else None
        self._busy: Busy | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._completer: Completer | None = None
        self._shelf: Shelf | None = None
        if self._handshakes is not None:
            self._handshakes.listen()
        commands.register(shell, self.desk)

    def start(self) -> None:
        """Begin to serve clicks during turns; the kernel receives messages from now on."""
        self._busy = Busy(self._kernel)
        self._loop = self._kernel.io_loop.asyncio_loop
        self._shelf = Shelf(self._kernel.comm_manager, self._loop, lambda: taken_back(self.desk.door.workspace))
        self._shelf.listen()
        waiting = Waiting(self._kernel.comm_manager, self._loop, lambda: self.desk.door.harness)
        waiting.listen()
        self.desk.door.listeners.append(waiting.heard)
        self._loop.call_later(WARM_SECONDS, threading.Thread(target=_warm, daemon=True).start)

    @property
    def completer(self) -> Completer:
        """Answers Tab and hover; loaded with the library on the first question, not with the kernel."""
        if self._completer is None:
            from toolscript_kernel.completion.service import Completer

            self._completer = Completer(self.desk)
        return self._completer

    def complete(self, code: str, cursor: int) -> dict[str, Any] | None:
        """Return what Tab offers; None where IPython answers. A fault of ours must not leave the page waiting."""
        try:
            return self.completer.complete(code, cursor)
        except Exception as error:
            self._internal(error)
            return None

    def inspect(self, code: str, cursor: int) -> dict[str, Any] | None:
        """Return what hovering shows; None where IPython answers."""
        try:
            return self.completer.inspect(code, cursor)
        except Exception as error:
            self._internal(error)
            return None

    def caller(self, *, allow_stdin: bool, cell_id: str | None) -> Caller:
        """Return who runs the present cell."""
        stage = Stage(self.shell)
        if not isinstance(cell_id, str):  # a program may send anything, and cells are found again by their ids
            cell_id = None
        if self._handshakes is None:
            return Caller(front=Front.TERMINAL, stage=stage)
        # ipywidgets takes the channel over when Python code imports it.
        self._handshakes.listen()
        parent = self._kernel.get_parent("shell")
        front = front_of(parent, allow_stdin=allow_stdin, cell_id=cell_id, handshakes=self._handshakes)
        seen, client = self._handshakes.seen, client_of(parent)
        return Caller(
            front=front, stage=stage, cell_id=cell_id, prompt=self._prompt, renders=lambda: seen(client),
            shelf=self._shelf,
        )  # fmt: skip

    async def run(self, cell: Cell, caller: Caller, deleted: Sequence[str] = ()) -> None:
        """Run the commands of a cell, and then its turn or script; ``deleted`` cells leave the conversation before.

        Raises CellError, whatever goes wrong: every execute request is owed its reply.
        """
        if threading.current_thread() is not threading.main_thread():
            raise CellError("ConfigError", "turns and scripts run in the kernel's main shell, not in a subshell")
        self._task = asyncio.ensure_future(self._work(cell, caller, deleted))
        try:
            with self._busy.turn(self._task) if self._busy is not None else interrupts(self._task.cancel):
                await self._task
        except asyncio.CancelledError:
            raise CellError("Interrupted", "the cell was stopped") from None
        except CellError:
            raise
        except Exception as error:
            raise self._internal(error) from None
        finally:
            self._task = self.desk.caller = None

    async def end(self) -> None:
        """End what runs and all that belongs to it; callable from any loop, such as the control thread's.

        Gives up when a Python cell blocks the loop of the cells: the process goes anyway.
        """
        work = self._end()
        try:
            if self._loop is None or self._loop is asyncio.get_running_loop():
                await asyncio.wait_for(work, CLOSE_SECONDS)
            else:
                future = asyncio.run_coroutine_threadsafe(work, self._loop)
                await asyncio.wait_for(asyncio.wrap_future(future), CLOSE_SECONDS)
        except TimeoutError:
            self._kernel.log.warning("toolscript: runs did not end in time")

    async def _work(self, cell: Cell, caller: Caller, deleted: Sequence[str]) -> None:
        self.desk.caller = replace(caller, alone=cell.kind is Kind.EMPTY)
        await self.desk.forget(deleted)
        for command in cell.commands:
            agent = await commands.run(command, self.desk, caller.stage, alone=cell.kind is Kind.EMPTY)
            cell = commands.for_agent(cell, agent)
        if cell.kind in (Kind.TURN, Kind.SCRIPT):
            await self.desk.run(cell, caller)

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.desk.door.close()

    def _internal(self, error: Exception) -> CellError:
        """Return what a person is told of a fault of our own; the traceback goes to the log, not into the page."""
        from toolscript_kernel.record import inert

        log = logging.getLogger(__name__) if self._kernel is None else self._kernel.log
        log.error("toolscript: a cell failed for a fault of its own", exc_info=error)
        said = inert.one_line(f"{type(error).__name__}: {error}", 300)
        return CellError("InternalError", f"toolscript itself failed ({said}); the kernel's log says where")

    def _prompt(self) -> Any:
        from toolscript_kernel.approvals.console import kernel_prompt

        return kernel_prompt(self._kernel)


def _warm() -> None:
    import toolscript_kernel.completion.service  # noqa: F401
