"""Decides how another process reaches the owner of a run: to list, decide, abort and watch."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from toolscript.approvals.lines import JsonLines
from toolscript.approvals.owners import Owner, address, gone, is_this_user, owners
from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.approvals.wire import request_from_json
from toolscript.errors import (
    AlreadyDecided,
    DecisionError,
    Json,
    OwnerGone,
    ProtocolFault,
    ToolError,
    ToolscriptError,
    UnknownApproval,
)
from toolscript.events import EVENTS, BaseEvent

REPLY_BYTES = 64 * 1024 * 1024
CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request waits for a decision."""

    request: ApprovalRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A request needs no decision any more."""

    approval_id: str
    decision: str
    by: str
    reason: str


class OwnerClient:
    """A connection to the process that runs scripts; one request at a time.

    Every method raises OwnerGone when that process ends in the meantime. :meth:`attend` and :meth:`follow` take
    the connection over; other requests need another one.
    """

    def __init__(self, lines: JsonLines, owner: Owner, state: Path) -> None:
        self._lines = lines
        self._state = state
        self._turn = anyio.Lock()
        self._number = 0
        self.owner = owner

    async def greet(self, name: str) -> None:
        """Show the owner's token; the first thing on every connection.

        Raises DecisionError where the owner lives and lets nobody else in now.
        """
        try:
            await self._send({"v": 1, "token": self.owner.token, "name": name})
            reply = await self._receive()
        except OwnerGone:
            if any(found.id == self.owner.id and found.alive for found in owners(self._state)):
                raise DecisionError("too many clients are connected to the process that runs this; try again") from None
            raise
        if "error" in reply:
            raise error_from_json(reply["error"])

    async def pending(self) -> tuple[ApprovalRequest, ...]:
        """Return the requests that wait, oldest first."""
        return tuple(request_from_json(data) for data in await self._ask({"do": "list"}))

    async def decide(self, approval_id: str, choice: Choice, reason: str = "", arguments: Json = None) -> Decision:
        """Decide a request; returns once the decision counts and is on disk.

        Raises AlreadyDecided naming who was first, UnknownApproval, and DecisionError or ToolError for an answer
        that the request does not take.
        """
        decision = {"choice": choice.value, "reason": reason, "arguments": arguments}
        return _decision(await self._ask({"do": "decide", "approval_id": approval_id, "decision": decision}))

    async def decide_all(
        self, choice: Choice, reason: str = "", ids: list[str] | None = None
    ) -> dict[str, Decision | ToolscriptError]:
        """Give one answer to several requests (all, when ``ids`` is None); returns what became of each."""
        decision = {"choice": choice.value, "reason": reason}
        outcomes = await self._ask({"do": "decide_all", "decision": decision, "ids": ids})
        return {
            approval_id: _decision(outcome["ok"]) if "ok" in outcome else error_from_json(outcome["error"])
            for approval_id, outcome in outcomes.items()
        }

    async def abort(self, run_id: str) -> bool:
        """Stop a run; False if it does not run there (any more)."""
        return bool(await self._ask({"do": "abort", "run_id": run_id}))

    async def attend(self) -> AsyncIterator[Asked | Settled]:
        """Yield the requests that wait and each change; while this runs, somebody can be asked."""
        await self._ask({"do": "attend"})
        async for message in self._messages():
            match message:
                case {"asked": data}:
                    yield Asked(request=request_from_json(data))
                case {"settled": {"approval_id": str(approval_id), "decision": dict(data)}}:
                    yield Settled(
                        approval_id=approval_id, decision=str(data.get("choice")),
                        by=str(data.get("by")), reason=str(data.get("reason")),
                    )  # fmt: skip

    async def follow(self) -> AsyncIterator[BaseEvent]:
        """Yield the owner's events from now on."""
        await self._ask({"do": "follow"})
        async for message in self._messages():
            if "event" in message:
                yield EVENTS.validate_python(message["event"])

    async def _messages(self) -> AsyncIterator[dict[str, Json]]:
        while True:
            yield await self._receive()

    async def _ask(self, request: dict[str, Json]) -> Any:
        async with self._turn:
            self._number += 1
            await self._send({"id": self._number} | request)
            while (reply := await self._receive()).get("id") != self._number:
                pass  # the answer to a request that was given up
        if "error" in reply:
            raise error_from_json(reply["error"])
        return reply.get("ok")

    async def _send(self, data: dict[str, Json]) -> None:
        try:
            await self._lines.send(data)
        except ProtocolFault:
            raise gone(self._state, self.owner.id) from None

    async def _receive(self) -> dict[str, Json]:
        try:
            reply = await self._lines.receive(max_bytes=REPLY_BYTES)
        except ProtocolFault:
            reply = None
        if reply is None:
            raise gone(self._state, self.owner.id)
        return reply


@asynccontextmanager
async def connect(state: Path, owner: str | None = None, *, name: str = "client") -> AsyncIterator[OwnerClient]:
    """Connect to the owner of a workspace's runs: the named one, or the only one that lives.

    Raises OwnerGone (with the command that resumes its runs) when there is none, and DecisionError when several
    live and none was named.
    """
    chosen = _chosen(state, owner)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        client = OwnerClient(JsonLines(sock), chosen, state)
        with anyio.fail_after(CONNECT_SECONDS):
            await _reach(sock, chosen, state)
            await client.greet(name)
        yield client


def _chosen(state: Path, owner: str | None) -> Owner:
    alive = [found for found in owners(state) if found.alive and owner in (None, found.id)]
    if not alive:
        raise gone(state, owner or "none is running")
    if len(alive) > 1:
        raise DecisionError(f"several processes run scripts here; name one of {', '.join(o.id for o in alive)}")
    return alive[0]


async def _reach(sock: socket.socket, owner: Owner, state: Path) -> None:
    sock.setblocking(False)
    while True:
        try:
            with address(owner.socket) as name:
                sock.connect(name)
        except BlockingIOError:  # its queue of connections is full
            await anyio.sleep(0.05)
        except OSError:
            raise gone(state, owner.id) from None
        else:
            break
    if not is_this_user(sock):
        raise gone(state, owner.id)


def _decision(data: Json) -> Decision:
    return Decision(
        choice=Choice(data["choice"]), by=str(data["by"]), reason=str(data.get("reason", "")),
        arguments=data.get("arguments"), time=float(data.get("time", 0.0)),
    )  # fmt: skip


def error_from_json(data: Json) -> ToolscriptError:
    """Return the error that the owner raised, as the class that says what to do about it."""
    message, code, details = str(data.get("message")), data.get("code"), data.get("details") or {}
    match code:
        case AlreadyDecided.code:
            return AlreadyDecided(*(str(details.get(name)) for name in ("approval_id", "decision", "by")))
        case UnknownApproval.code:
            return UnknownApproval(str(details.get("approval_id")))
        case _ if "tool" in data:
            return ToolError(message, tool=str(data["tool"]), code=str(code), details=details)
        case _:
            return DecisionError(message, details=details)
