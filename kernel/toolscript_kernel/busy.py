"""Decides how a kernel stays reachable while a turn awaits: clicks, completion and new clients are served at once.

A stock kernel answers one shell message at a time, so a click on a widget would wait for the very cell that
waits for the click. This re-registers the receive callback of a running kernel, so that it also serves the
ordinary Python kernel. Where a version of ipykernel lacks the parts that this needs, the kernel keeps its stock
behaviour (``available`` is False).
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PASS = frozenset(
    {
        "comm_open", "comm_msg", "comm_close", "comm_info_request", "kernel_info_request", "complete_request",
        "inspect_request", "is_complete_request", "history_request",
    }
)  # fmt: skip
"""Messages that do not run cells and may be served while one awaits."""


class Busy:
    """Serves the messages in :data:`PASS` while :meth:`turn` is entered; one for each kernel."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.turns = 0
        self._parent: Any = None
        self._thread = getattr(kernel, "shell_channel_thread", None)
        self.available = self._install()

    def _install(self) -> bool:
        try:
            if self._thread is not None:
                self.kernel._publish_status, self.kernel.shell_main  # noqa: B018  (both are needed)
                self._thread.manager.set_on_recv_callback(self._shell_main)
            else:
                self.kernel._publish_status, self.kernel.schedule_dispatch  # noqa: B018
                self.kernel.shell_stream.on_recv(self._on_shell_6, copy=False)
        except AttributeError:
            self.kernel.log.warning("toolscript: this ipykernel cannot serve clicks while a cell runs")
            return False
        return True

    @contextmanager
    def turn(self, task: asyncio.Task[Any]) -> Iterator[None]:
        """Serve messages while ``task`` is awaited, and cancel it on SIGINT."""
        with interrupts(task.cancel):
            self._parent = self.kernel.get_parent("shell")
            self.turns += 1
            try:
                yield
            finally:
                self.turns -= 1

    async def _shell_main(self, subshell_id: str | None, msg: Any) -> None:
        if self.turns and subshell_id is None and (taken := self._take(msg)) is not None:
            await self._serve(*taken)
        else:
            await self.kernel.shell_main(subshell_id, msg)

    def _on_shell_6(self, msg: Any) -> None:
        if self.turns and (taken := self._take(msg)) is not None:
            self.kernel.io_loop.add_callback(self._serve, *taken)
        else:
            self.kernel.schedule_dispatch(self.kernel.dispatch_shell, msg)

    def _take(self, msg: Any) -> tuple[Any, Any] | None:
        """Return (identities, message) if it may be served now. Reading the header alone spends no signature."""
        session = self.kernel.session
        try:
            identities, frames = session.feed_identities(msg, copy=False)
            header = session.deserialize(frames, content=False, copy=False)["header"]
            if header["msg_type"] in PASS:
                return identities, session.deserialize(frames, content=True, copy=False)
        except Exception:
            # Whatever is wrong with it, the kernel's own road knows how to refuse it.
            self.kernel.log.debug("toolscript: message left to the kernel", exc_info=True)
        return None

    async def _serve(self, identities: Any, msg: Any) -> None:
        # No set_parent here: whatever the handler prints belongs to the turn's cell.
        kernel = self.kernel
        stream = kernel.shell_stream
        if self._thread is not None:
            stream = self._thread.manager.get_subshell_to_shell_channel_socket(None)
        kernel._publish_status("busy", "shell", parent=msg)
        try:
            answer = kernel.shell_handlers[msg["header"]["msg_type"]](stream, identities, msg)
            if inspect.isawaitable(answer):
                await answer
        except Exception:
            kernel.log.exception("toolscript: a message served during a turn failed")
        finally:
            kernel._publish_status("idle", "shell", parent=msg)
            if self.turns:
                # Front ends take the last status for the kernel's: it is still busy with the turn.
                kernel._publish_status("busy", "shell", parent=self._parent)


@contextmanager
def interrupts(cancel: Callable[[], Any]) -> Iterator[None]:
    """Call ``cancel`` on the running loop for each SIGINT while the block runs; nothing outside the main thread.

    ``call_soon_threadsafe`` wakes the loop; anything less is noticed only when something else happens.
    """
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(cancel))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
