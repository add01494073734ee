"""Plays one script to its end in an engine or in a pool, answering its calls, as a host would."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from toolscript.errors import ToolscriptError
from toolscript.language.blank import blank
from toolscript.limits import Limits
from toolscript.runtime import frames, wire
from toolscript.runtime.engine import Drained, Engine, Script
from toolscript.runtime.messages import Decoder
from toolscript.runtime.order import decode_start
from toolscript.runtime.pool import Pool
from toolscript.runtime.process import WorkerProcess
from toolscript.runtime.session import (
    Batch,
    Call,
    Done,
    FacadeEntry,
    Failed,
    Log,
    Message,
    Settlement,
    Start,
    Timer,
    TimerCleared,
)

FACADE = (
    FacadeEntry(path=("exec",), positional=("command",)),
    FacadeEntry(path=("shell",), positional=("command",), flat=True),
    FacadeEntry(path=("readFile",), positional=("path", "offset"), flat=True),
    FacadeEntry(path=("read",)),
    FacadeEntry(path=("echo",)),
    FacadeEntry(path=("list",), positional=("path",)),
    FacadeEntry(path=("mcp", "git", "status")),
)
START_MS = 1_700_000_000_000

Answer = Callable[[Call | Timer], "tuple[bool, Any] | None"]
"""Says how a call ends: whether it succeeds, and its value; None leaves it pending."""


def echoes(message: Call | Timer) -> tuple[bool, Any]:
    """Answer a call with its own arguments."""
    return (True, json.loads(message.arguments)) if isinstance(message, Call) else (True, None)


def fails(code: str = "not_found") -> Answer:
    def answer(message: Call | Timer) -> tuple[bool, Any]:
        tool = message.tool if isinstance(message, Call) else ""
        body = {"name": "ToolError", "code": code, "tool": tool, "message": "no such thing", "details": {"exitCode": 3}}
        return False, body

    return answer


@dataclass
class Played:
    """What a script did, from its first batch to its last; ``stuck`` means nothing was pending and it had not ended."""

    messages: list[Message] = field(default_factory=list)
    guest_seconds: float = 0.0
    prepared: str | None = None
    stuck: bool = False

    def add(self, batch: Batch) -> None:
        self.messages.extend(batch.messages)
        self.guest_seconds = batch.guest_seconds
        self.prepared = batch.prepared or self.prepared

    @property
    def calls(self) -> list[Call]:
        return [m for m in self.messages if isinstance(m, Call)]

    @property
    def logs(self) -> list[str]:
        return [m.text for m in self.messages if isinstance(m, Log)]

    @property
    def done(self) -> Done:
        last = self.messages[-1]
        assert isinstance(last, Done), last
        return last

    @property
    def result(self) -> Any:
        return json.loads(self.done.result)

    @property
    def error(self) -> ToolscriptError:
        last = self.messages[-1]
        assert isinstance(last, Failed), last
        return last.error


class _Host:
    """Keeps what is pending, and settles it in the order in which it was asked."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._due: list[Settlement] = []
        self._cleared: set[int] = set()
        self._time = START_MS

    def take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if isinstance(message, TimerCleared):
                self._cleared.add(message.number)
            elif isinstance(message, Call | Timer) and (answered := self._answer(message)) is not None:
                self._time += 1
                ok, value = answered
                self._due.append(Settlement(number=message.number, ok=ok, value=json.dumps(value), time_ms=self._time))

    def due(self) -> list[Settlement]:
        due, self._due = [s for s in self._due if s.number not in self._cleared], []
        return due


def start_of(source: str, **options: Any) -> Start:
    defaults: dict[str, Any] = {
        "prepared": None, "last_expression": False, "facade": FACADE, "time_ms": START_MS, "seed": 7,
    }  # fmt: skip
    return Start(source=source, **defaults | options)


def play_engine(engine: Engine, source: str, answer: Answer = echoes, **options: Any) -> Played:
    """Play a script in an engine in this very process."""
    start = start_of(source, **options)
    played, host = Played(), _Host(answer)
    failures: dict[int, str] = {}
    decoder = Decoder(1, start.source or start.prepared or "", start.limits, failures)

    def take(drained: Drained) -> Batch:
        flags = (frames.Flag.ENDED if drained.ended else 0) | (frames.Flag.HEAP_FULL if drained.heap_full else 0)
        text = f"[{drained.messages}]".encode()
        encoded = frames.encode_batch(1, drained.guest_seconds, flags, text, [c.encode() for c in drained.carried])
        ((_, parts),) = frames.Splitter(1 << 30).feed(encoded)
        batch = decoder.batch(parts)
        played.add(batch)
        host.take(batch.messages)
        return batch

    batch = take(engine.start(script_of(start)))
    while batch.ended is None:
        due = host.due()
        if not due:
            played.stuck = True
            break
        for s in due:
            if not s.ok:
                failures[s.number] = s.value
            batch = take(engine.settle(s.number, s.ok, s.value, s.time_ms))
            if batch.ended is not None:
                break
    engine.close()
    return played


def ending_alone(engine: Callable[[], Engine], source: str, **options: Any) -> str:
    """Play a script in an engine in a process of its own, as a worker has one, and return the kind of its error.

    A full heap is told by the peak of the process's memory: other tests have added to that of this one, and a
    process that is started anew inherits it from its parent; only a forked one has its own, as a worker does.
    """
    given = pickle.dumps((engine, source, options))
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, *sys.path], input=given, capture_output=True, check=True, timeout=60
    )
    return done.stdout.decode().strip()


_ALONE = """
import os, pickle, sys
sys.path[:0] = sys.argv[1:]
from tests.harness.runtime.playing import play_engine
engine, source, options = pickle.load(sys.stdin.buffer)
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(type(play_engine(engine(), source, **options).error).__name__)
"""


def script_of(start: Start) -> Script:
    ((_, parts),) = frames.Splitter(1 << 30).feed(wire.encode_start(start, 1, ""))
    order = decode_start(parts)
    if order.prepared:
        return order.script
    return order.script._replace(code=blank(order.script.code, last_expression=order.last_expression))


async def play(pool: Pool, source: str, answer: Answer = echoes, **options: Any) -> Played:
    """Play a script in a worker of the pool. Raises what the session raises."""
    played, host = Played(), _Host(answer)
    async with pool.checkout() as session:
        batch = await session.start(start_of(source, **options))
        played.add(batch)
        host.take(batch.messages)
        while played.messages == [] or batch.ended is None:
            due = host.due()
            if not due:
                played.stuck = True
                break
            for batch in await session.settle(due):
                played.add(batch)
                host.take(batch.messages)
    return played


def tight(**limits: float) -> Limits:
    """Limits that tests can reach quickly."""
    return Limits().tightened(limits)


LOOP = "let s = 0; for (let n = 0; n < 30; n++) s += await tools.echo({}); return s;"


async def next_of(pool: Pool, ready: int = 1) -> WorkerProcess:
    """Return the worker that comes next, once so many are ready."""
    with anyio.fail_after(20):
        while len(pool._idle) < ready:
            await anyio.sleep(0.005)
    return pool._idle[0]
