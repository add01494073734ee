"""Decides what other processes of this user may do with an owner's runs: look, decide and abort."""

from __future__ import annotations

import hmac
import logging
import re
import socket as sockets
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.abc

from toolscript.approvals.bridge import MAX_PENDING, Bridge
from toolscript.approvals.client import OwnerClient, connect
from toolscript.approvals.lines import JsonLines
from toolscript.approvals.owners import Owner, address, is_this_user, owners, registered
from toolscript.approvals.request import ApprovalRequest, Decision
from toolscript.approvals.wire import decision_from_json, decision_to_json, request_to_json
from toolscript.errors import DecisionError, Json, ProtocolFault, ToolscriptError
from toolscript.events import BaseEvent, Emitter

__all__ = ["Owner", "OwnerClient", "OwnerSocket", "connect", "owners"]

log = logging.getLogger(__name__)

HELLO_SECONDS = 5.0
HELLO_BYTES = 4 * 1024
REQUEST_BYTES = 4 * 1024 * 1024
"""A request carries at most one call's edited arguments."""
MAX_CLIENTS = 32
BACKLOG_EVENTS = 1_000
"""How far a follower may fall behind before it is let go."""

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
                    await _Client(self, lines, name).serve()
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

    @property
    def bridge(self) -> Bridge:
        """Where the requests wait."""
        return self._bridge

    @property
    def emitter(self) -> Emitter | None:
        """Where the events come from."""
        return self._emitter

    async def abort(self, run_id: str) -> bool:
        """Stop a run of this process. Raises DecisionError where that is not offered."""
        if self._abort is None:
            raise DecisionError("runs cannot be aborted through this socket")
        return await self._abort(run_id)


class _Client:
    """One welcomed connection; also a decider while it attends."""

    def __init__(self, owner: OwnerSocket, lines: JsonLines, name: str) -> None:
        self.name = name
        self._owner = owner
        self._lines = lines
        self._out, self._queue = anyio.create_memory_object_stream[dict[str, Json]](BACKLOG_EVENTS)
        self._lagging = anyio.Event()

    async def serve(self) -> None:
        """Answer requests until the client ends the connection, or turns to watching."""
        with self._out, self._queue:
            while (request := await self._lines.receive(max_bytes=REQUEST_BYTES)) is not None:
                match request.get("do"):
                    case "attend":
                        await self._stream(request, self._owner.bridge.attach(self))
                        return
                    case "follow" if self._owner.emitter is not None:
                        await self._stream(request, self._owner.emitter.listening(self._event))
                        return
                    case _:
                        await self._reply(request.get("id"), request)

    async def _reply(self, number: Json, request: dict[str, Json]) -> None:
        try:
            result = await self._act(request)
        except ToolscriptError as error:
            await self._lines.send({"id": number, "error": error.to_json()})
        else:
            await self._lines.send({"id": number, "ok": result})

    async def _act(self, request: dict[str, Json]) -> Json:
        bridge = self._owner.bridge
        match request:
            case {"do": "list"}:
                return [request_to_json(waiting) for waiting in bridge.pending]
            case {"do": "decide", "approval_id": str(approval_id), "decision": data}:
                decided = await bridge.decide(approval_id, decision_from_json(data, by=self.name))
                return decision_to_json(decided)
            case {"do": "decide_all", "decision": data}:
                outcomes = await bridge.decide_all(decision_from_json(data, by=self.name), _ids(request.get("ids")))
                return {approval_id: _outcome(outcome) for approval_id, outcome in outcomes.items()}
            case {"do": "abort", "run_id": str(run_id)}:
                return await self._owner.abort(run_id)
            case _:
                raise DecisionError(
                    "this owner understands list, decide, decide_all, abort, attend and (with events) follow"
                )

    async def _stream(self, request: dict[str, Json], watching: AbstractContextManager[None]) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self._until_hangup, group.cancel_scope)
            group.start_soon(self._until_lagging, group.cancel_scope)
            with watching, suppress(ProtocolFault):
                await self._lines.send({"id": request.get("id"), "ok": None})
                async for message in self._queue:
                    await self._lines.send(message)
            group.cancel_scope.cancel()

    async def _until_hangup(self, scope: anyio.CancelScope) -> None:
        # Whoever watches has nothing more to say: the next thing heard is the end, or a fault.
        with suppress(ProtocolFault):
            await self._lines.receive(max_bytes=HELLO_BYTES)
        scope.cancel()

    async def _until_lagging(self, scope: anyio.CancelScope) -> None:
        await self._lagging.wait()
        log.info("%s fell %d messages behind and was let go", self.name, BACKLOG_EVENTS)
        scope.cancel()

    def _event(self, event: BaseEvent) -> None:
        self._put({"event": event.model_dump(mode="json")})

    def show(self, request: ApprovalRequest) -> None:
        """Tell the client that a request waits."""
        self._put({"asked": request_to_json(request)})

    def withdraw(self, approval_id: str, decision: Decision) -> None:
        """Tell the client that a request is settled."""
        self._put({"settled": {"approval_id": approval_id, "decision": decision_to_json(decision)}})

    def _put(self, message: dict[str, Json]) -> None:
        try:
            self._out.send_nowait(message)
        except anyio.WouldBlock:
            self._lagging.set()


def _name(value: Json) -> str:
    """Return how the journal names a client; it can never pass for one of the harness's own deciders."""
    given = re.sub(r"[^A-Za-z0-9_.-]", "_", value)[:40] if isinstance(value, str) else ""
    return f"socket/{given or 'client'}"


def _ids(value: Json) -> list[str] | None:
    if value is None:
        return None
    return [str(item) for item in value[:MAX_PENDING]] if isinstance(value, list) else []


def _outcome(outcome: Decision | ToolscriptError) -> dict[str, Json]:
    if isinstance(outcome, Decision):
        return {"ok": decision_to_json(outcome)}
    return {"error": outcome.to_json()}
