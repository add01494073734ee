"""Decides what a worker process does from its first frame to its end: one script, one step at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from socket import MSG_DONTWAIT
from time import perf_counter, process_time
from typing import Protocol

from toolscript.errors import ScriptSyntaxError, ToolscriptError, UnsupportedTypeScript
from toolscript.runtime import frames
from toolscript.runtime.alarm import CpuAlarm
from toolscript.runtime.control import OUT_OF_MEMORY, PATIENCE_SECONDS, RING_2, ROUSED_SECONDS
from toolscript.runtime.engine import Drained, Engine
from toolscript.runtime.frames import ENDED, HEAP_FULL, PREPARED, ROUSE, SETTLE, START, Parts, Splitter
from toolscript.runtime.order import decode_start

_LARGEST = 1 << 30
_CHUNK = 1 << 16
_give_way = getattr(os, "sched_yield", lambda: None)
LOOK_SECONDS = 0.0002
"""For how long the host's answer is looked for before it is waited for."""
HOPE = 2
"""How often in a row that may be in vain."""
_NEAR, _DRIFT_SECONDS = 0.05, 0.001
"""How little may be left of a script's time so that ring 2 is set anew at each step; and how much CPU time that was not
the script's it may count otherwise."""
_DONE = object()

Blank = Callable[..., str]


class Connection(Protocol):
    """What a worker needs of its socket."""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive what the host sends; nothing where it hung up."""
        ...

    def sendall(self, data: bytes, /) -> None:
        """Send."""
        ...


def serve(sock: Connection, engines: Callable[[], Engine], blank: Blank, uses: int) -> object:
    """Run scripts until the host hangs up. ``engines`` returns a fresh engine, prepared before it is needed.

    After ``uses`` scripts no further one is prepared for: the host will end the process. What is returned holds the
    last realm: a process that ends need not free it first.
    """
    worker = _Worker(sock, engines, blank, uses)
    try:
        worker.run()
    except (ConnectionError, EOFError):
        pass
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    return worker


class _Worker:
    def __init__(self, sock: Connection, engines: Callable[[], Engine], blank: Blank, uses: int) -> None:
        self._sock = sock
        self._engines = engines
        self._blank = blank
        self._running: Engine | None = None
        self._uses = uses
        self._spare: Engine | None = self._prepared()
        self._alarm = CpuAlarm()
        self._serial = 0
        self._limit = self._used = 0.0
        self._said: list[bytes] = []
        self._hope, self._patience = 0, 0.0
        self._motions: Iterator[None] = iter(())
        self._armed = False
        self._armed_at = self._used_then = 0.0
        self._kept: list[Engine] = []

    def _prepared(self) -> Engine:
        engine = self._engines()
        engine.measure(lasting=self._uses > 1)
        return engine

    def run(self) -> None:
        feed = Splitter(_LARGEST).feed
        while data := self._next():
            # The host waits for all that it asked at once: it gets the answers at once.
            for kind, parts in feed(data):
                if kind == SETTLE:
                    self._settle(parts)
                elif kind == START:
                    self._start(parts)
                elif kind == ROUSE:
                    self._motions = self._limbering(parts)
                    self._hope, self._patience = 1, ROUSED_SECONDS
            if self._said:
                self._send()

    def _next(self) -> bytes:
        """Return what the host sends. A script that is alone looks for it first: to be woken takes longer than most
        of what it asks for. One whose tools take their time soon looks no more.
        """
        found = self._looked() if self._hope and self._patience > 0 else None
        return self._sock.recv(_CHUNK) if found is None else found

    def _looked(self) -> bytes | None:
        began = now = perf_counter()
        window = ROUSED_SECONDS if self._running is None else LOOK_SECONDS
        found = None
        while found is None and now - began < window:
            try:
                found = self._sock.recv(_CHUNK, MSG_DONTWAIT)
            except BlockingIOError:
                if next(self._motions, _DONE) is _DONE:
                    _give_way()  # where processors are short, whoever has something to do goes first
                now = perf_counter()
        self._hope = self._hope - 1 if found is None else HOPE
        self._patience -= now - began
        return found

    def _limbering(self, parts: Parts) -> Iterator[None]:
        """Go through the motions of a start, which is about to come, until it is there."""
        decode_start(parts)
        yield
        self._alarm.set(_NEAR)
        self._alarm.set(0)
        frames.encode_batch(0, 0.0, 0, b"[]", [])
        if self._spare is not None:
            yield
            with suppress(Exception):  # whatever an engine does not know: a worker is not lost for this
                yield from self._spare.limber()

    def _settle(self, parts: Parts) -> None:
        engine = self._running
        if engine is None:
            return  # The script had ended when this came: it is nobody's any more.
        number, ok, time_ms = frames.settlement_head(parts[0])
        value = parts[1].decode()
        self._arm()
        self._say(engine.settle(number, ok, value, time_ms))

    def _start(self, parts: Parts) -> None:
        self._motions, self._armed = iter(()), False
        order = decode_start(parts)
        script, prepared = order.script, None
        self._serial, self._limit, self._used = order.serial, RING_2 * script.guest_seconds, 0.0
        self._hope, self._patience = HOPE if order.alone else 0, PATIENCE_SECONDS
        self._arm()
        if not order.prepared:
            # The parser is C code that reads hostile text: it has the script's time, and ring 2 behind it.
            try:
                prepared = self._blank(script.code, last_expression=order.last_expression)
            except ToolscriptError as error:
                self._say(Drained(messages=_refusal(error), ended=True))
                return
            script = script._replace(code=prepared)
            self._arm()
        engine = self._running = self._spare or self._engines()
        self._spare = None
        self._say(engine.start(script), prepared)

    def _arm(self) -> None:
        """Set ring 2: a signal whose default is death, so that no engine can put it off.

        It stays set while the worker waits, which takes no CPU time, and is set anew where other things than the script
        took some.
        """
        left, now = max(self._limit - self._used, 0.001), process_time()
        others = now - self._armed_at - (self._used - self._used_then)
        if self._armed and left > _NEAR and others < _DRIFT_SECONDS:
            return
        self._alarm.set(left)
        self._armed, self._armed_at, self._used_then = True, now, self._used

    def _say(self, drained: Drained, prepared: str | None = None) -> None:
        messages, carried, ended, heap_full, self._used = drained
        flags = (ENDED if ended else 0) | (HEAP_FULL if heap_full else 0)
        beside = [text.encode() for text in carried]
        if prepared is not None:
            flags |= PREPARED
            beside.append(prepared.encode())
        said = frames.encode_batch(self._serial, self._used, flags, f"[{messages}]".encode(), beside)
        self._said.append(said)
        if ended or len(said) > _CHUNK:
            self._send()
        if ended:
            self._rest()

    def _send(self) -> None:
        """Send what was said. Ring 2 is for scripts: where it is near, it is taken back before the worker waits."""
        if self._running is None or self._limit - self._used <= _NEAR:
            self._disarm()
        self._sock.sendall(b"".join(self._said))
        self._said.clear()

    def _disarm(self) -> None:
        self._alarm.set(0)
        self._armed = False

    def _rest(self) -> None:
        """Put the realm away and prepare the next one, after the host has its answer."""
        running, self._running = self._running, None
        self._disarm()
        self._hope = 0
        last = self._serial >= self._uses
        if running is not None:
            # Where the process is about to be ended, or the realm is small, to free it would be work for nothing.
            if last or running.light():
                self._kept.append(running)
            else:
                running.close()
        if not last:
            self._spare = self._spare or self._prepared()


def _refusal(error: ToolscriptError) -> str:
    place = [error.position.line, error.position.column] if error.position else [None, None]
    match error:
        case UnsupportedTypeScript():
            return json.dumps(["u", error.details["construct"], error.details["alternative"], *place, []])
        case ScriptSyntaxError():
            return json.dumps(["y", error.message, *place, []])
        case _:
            return json.dumps(["f", type(error).__name__, error.message, "", *place, None, False, []])
