"""A host of one run as its own process: it may die at a record of its journal, and another resumes the run.

Called as ``python host.py WORKSPACE run|planned|call|resume STOP ANSWER``. ``STOP`` is ``-``, ``before:N`` (dies instead of
writing its N-th record: what happened before it stays unrecorded), ``after:N``, or ``before:KIND:CALL``. ``ANSWER`` is what its person
says to an unknown outcome: ``again``, ``fail``, a JSON text for what it gave, or ``nobody``.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio

from toolscript.approvals.bridge import Bridge
from toolscript.approvals.request import ApprovalRequest, Choice, Decision, Policy
from toolscript.errors import StillInterrupted
from toolscript.harness import Harness
from toolscript.journal.records import Record
from toolscript.journal.state import RunFile, interrupted, state_dir
from toolscript.journal.writer import DiskJournal
from toolscript.registry.function import tool
from toolscript.workshop import Order


def stop_at(when: str) -> None:
    """Let this process be killed at a record: as a machine that fails would, with nothing tidied up."""
    place, _, number = when.partition(":")
    if place == "-":
        return
    kind, _, call = number.partition(":")
    left, write = 1 if call else int(number), DiskJournal.write

    def counted(self: DiskJournal, record: Record) -> None:
        nonlocal left
        if not call or (record.kind, getattr(record, "number", None)) == (kind, int(call)):
            left -= 1
        if left == 0 and place == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        write(self, record)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    DiskJournal.write = counted  # type: ignore[method-assign]


class Person:
    """Allows what is asked, and answers unknown outcomes in one way; notes what it was asked."""

    name = "person"

    def __init__(self, bridge: Bridge, answer: str) -> None:
        self._bridge = bridge
        self._answer = answer
        self.asked: list[dict[str, Any]] = []

    def show(self, request: ApprovalRequest) -> None:
        unknown = bool(request.extra.get("unknown"))
        self.asked.append({"number": request.operation, "tool": request.tool, "unknown": unknown})
        decision = Decision(choice=Choice.ALLOW, by=self.name)
        if unknown and self._answer == "fail":
            decision = Decision(choice=Choice.DENY, by=self.name)
        elif unknown and self._answer != "again":
            decision = Decision(choice=Choice.EDIT, by=self.name, arguments={"outcome": json.loads(self._answer)})
        self._bridge.decide_threadsafe(request.approval_id, decision)

    def withdraw(self, approval_id: str, decision: Decision) -> None:
        return None


def tools(workspace: Path) -> list[Any]:
    @tool(effect="network")
    def send(label: str) -> str:
        with (workspace / "effects").open("a") as file:
            file.write(f"{label}\n")
        return label

    @tool(effect="read")
    def look(label: str) -> str:
        with (workspace / "looks").open("a") as file:
            file.write(f"{label}\n")
        return label

    return [send, look]


async def released(workspace: Path) -> RunFile:
    """Return the interrupted run as soon as no process of the dead host holds its journal any more.

    A child that the host was just forking has the lock too, until it executes its own program.
    """
    with anyio.fail_after(30):
        while not (found := interrupted(state_dir(workspace))):
            await anyio.sleep(0.02)
    return found[0]


async def called(harness: Harness, workspace: Path) -> dict[str, Any]:
    """Serve a structured call, ``[wire name, arguments]``, as a turn does."""
    name, arguments = json.loads((workspace / "script.ts").read_text())
    order = Order(limits=harness.limits, policy=harness.policy)
    reply = await harness._workshop.call(name, json.dumps(arguments), order, harness._emitter)
    return {"text": reply.text, "is_error": reply.is_error}


async def main(workspace: Path, what: str, when: str, answer: str) -> None:
    harness = Harness(workspace, tools=tools(workspace), policy=Policy.ON_REQUEST)
    stop_at(when)
    async with harness:
        person = Person(harness.approvals, answer)
        with ExitStack() as stack:
            if answer != "nobody":
                stack.enter_context(harness.approvals.attach(person))
            try:
                if what == "call":
                    print(json.dumps(await called(harness, workspace)))
                    return
                if what == "planned":
                    source = (workspace / "script.ts").read_text()
                    plan = await harness.plan(source)
                    left_out = json.loads(os.environ.get("LEFT_OUT", "[]"))
                    approved = plan.approve([row.number for row in plan.rows if row.number not in left_out])
                    run = await harness.run(source, plan=approved)
                elif what == "run":
                    run = await harness.run((workspace / "script.ts").read_text())
                else:
                    found = await released(workspace)
                    began = time.monotonic()
                    run = await harness.resume(found.run_id)
                    print(f"{time.monotonic() - began:.3f}", file=sys.stderr)
            except StillInterrupted as error:
                print(json.dumps({"interrupted": error.to_json(), "asked": person.asked}))
                return
    print(json.dumps({**run.to_json(), "run_id": run.run_id, "asked": person.asked}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
