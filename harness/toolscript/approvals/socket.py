"""Decides what other processes of this user may do with an owner's runs: look, decide and abort."""

from __future__ import annotations

import hmac
import logging
import re
import socket as sockets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
import anyio.abc

from toolscript.approvals.lines import JsonLines
from toolscript.approvals.owners import Owner, address, is_this_user, registered
from toolscript.errors import DecisionError, Json, ProtocolFault

if TYPE_CHECKING:
    from toolscript.approvals.bridge import Bridge
    from toolscript.events import Emitter

log = logging.getLogger(__name__)

HELLO_SECONDS = 5.0
HELLO_BYTES = 4 * 1024
MAX_CLIENTS = 32

Abort = Callable[[str], Awaitable[bool]]
"""Stops the run with this id; False if it does not run here."""


class OwnerSocket:
    """Serves the requests and events of this process's runs on a Unix socket in the state directory.

    Every connection must come from this user and know the token of a file that only this user can read. While
    one attends, somebody can be asked. Use it as ``async with``; nothing that a client does stops the owner.
    """

    def __init__(
        self, bridge: Bridge, state_dir: Path, *, emitter: Emitter | None = None, abort: Abort | None = None
    ) -> None:
        self._bridge = bridge
        self._state = state_dir
        self._emitter = emitter
        self._abort = abort
        self._clients = 0
        self._stack = AsyncExitStack()
        self.owner: Owner | None = None
        """This process as others find it, while the socket is open."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            owner = stack.enter_context(registered(self._state))
            listener = stack.enter_context(sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM))
            with address(owner.socket) as name:
                listener.bind(name)
            owner.socket.chmod(0o600)
            listener.listen(MAX_CLIENTS)
            listener.setblocking(False)
            group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(group.cancel_scope.cancel)
            group.start_soon(self._accept, listener, group)
            self._stack, self.owner = stack.pop_all(), owner
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.owner = None
        if isinstance(error, Exception):
            # What the block raised is the caller's, and must not come back wrapped in this group's.
            kind, error, trace = None, None, None
        await self._stack.__aexit__(kind, error, trace)

    async def _accept(self, listener: sockets.socket, group: anyio.abc.TaskGroup) -> None:
        while True:
            await anyio.wait_readable(listener)
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                continue
            except OSError as error:  # out of descriptors, or the client is gone already
                log.warning("a client of the control socket could not be accepted: %s", error)
                await anyio.sleep(0.2)
                continue
            group.start_soon(self._serve, connection)

    async def _serve(self, connection: sockets.socket) -> None:
        self._clients += 1
        lines = JsonLines(connection)
        try:
            if self._clients <= MAX_CLIENTS and is_this_user(connection):
                name = await self._welcome(lines)
                if name is not None:
                    from toolscript.approvals.attending import Client

                    await Client(self._bridge, self._emitter, self.abort, lines, name).serve()
        except ProtocolFault as fault:
            log.info("a client of the control socket was let go: %s", fault)
        except Exception:
            log.exception("a client of the control socket could not be served")
        finally:
            self._clients -= 1
            lines.close()

    async def _welcome(self, lines: JsonLines) -> str | None:
        """Return the name of a client that knows the token; None for anybody else."""
        hello: dict[str, Json] | None = None
        with anyio.move_on_after(HELLO_SECONDS):
            hello = await lines.receive(max_bytes=HELLO_BYTES)
        if hello is None or self.owner is None:
            return None
        token = hello.get("token")
        if not isinstance(token, str) or not hmac.compare_digest(
            token.encode(errors="surrogatepass"), self.owner.token.encode()
        ):
            await lines.send({"error": {"code": "wrong_token", "message": "the token is not this owner's"}})
            return None
        await lines.send({"ok": {"v": 1, "owner": self.owner.id, "pid": self.owner.pid}})
        return _name(hello.get("name"))

    async def abort(self, run_id: str) -> bool:
        """Stop a run of this process. Raises DecisionError where that is not offered."""
        if self._abort is None:
            raise DecisionError("runs cannot be aborted through this socket")
        return await self._abort(run_id)


def _name(value: Json) -> str:
    """Return how the journal names a client; it can never pass for one of the harness's own deciders."""
    given = re.sub(r"[^A-Za-z0-9_.-]", "_", value)[:40] if isinstance(value, str) else ""
    return f"socket/{given or 'client'}"
