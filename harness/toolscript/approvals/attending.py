"""Decides what one welcomed client of an owner may ask, and what it is told while it attends or follows."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress

import anyio

from toolscript.approvals.bridge import MAX_PENDING, Bridge
from toolscript.approvals.lines import JsonLines
from toolscript.approvals.request import ApprovalRequest, Decision
from toolscript.approvals.wire import decision_from_json, decision_to_json, request_to_json
from toolscript.errors import DecisionError, Json, ProtocolFault, ToolscriptError
from toolscript.events import BaseEvent, Emitter

log = logging.getLogger(__name__)

LAST_BYTES = 4 * 1024
REQUEST_BYTES = 4 * 1024 * 1024
"""A request carries at most one call's edited arguments."""
BACKLOG_EVENTS = 1_000
"""How far a follower may fall behind before it is let go."""

Abort = Callable[[str], Awaitable[bool]]
"""Stops the run with this id; False if it does not run here."""


class Client:
    """One welcomed connection; also a decider while it attends."""

    def __init__(self, bridge: Bridge, emitter: Emitter | None, abort: Abort, lines: JsonLines, name: str) -> None:
        self.name = name
        self._bridge, self._emitter, self._abort = bridge, emitter, abort
        self._lines = lines
        self._out, self._queue = anyio.create_memory_object_stream[dict[str, Json]](BACKLOG_EVENTS)
        self._lagging = anyio.Event()

    async def serve(self) -> None:
        """Answer requests until the client ends the connection, or turns to watching."""
        with self._out, self._queue:
            while (request := await self._lines.receive(max_bytes=REQUEST_BYTES)) is not None:
                match request.get("do"):
                    case "attend":
                        await self._stream(request, self._bridge.attach(self))
                        return
                    case "follow" if self._emitter is not None:
                        await self._stream(request, self._emitter.listening(self._event))
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
        bridge = self._bridge
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
                return await self._abort(run_id)
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
            await self._lines.receive(max_bytes=LAST_BYTES)
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


def _ids(value: Json) -> list[str] | None:
    if value is None:
        return None
    return [str(item) for item in value[:MAX_PENDING]] if isinstance(value, list) else []


def _outcome(outcome: Decision | ToolscriptError) -> dict[str, Json]:
    if isinstance(outcome, Decision):
        return {"ok": decision_to_json(outcome)}
    return {"error": outcome.to_json()}
