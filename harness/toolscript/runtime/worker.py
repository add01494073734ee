"""Decides what a worker process does from its first frame to its end: one script, one step at a time."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from toolscript.errors import ScriptSyntaxError, ToolscriptError, UnsupportedTypeScript
from toolscript.runtime import frames
from toolscript.runtime.alarm import CpuAlarm
from toolscript.runtime.control import OUT_OF_MEMORY, RING_2
from toolscript.runtime.engine import Drained, Engine
from toolscript.runtime.frames import Flag, Kind, Parts, Splitter
from toolscript.runtime.wire import decode_start

_LARGEST = 1 << 30
_CHUNK = 1 << 16

Blank = Callable[..., str]


def serve(sock: socket.socket, engines: Callable[[], Engine], blank: Blank, uses: int) -> None:
    """Run scripts until the host hangs up. ``engines`` returns a fresh engine, prepared before it is needed.

    After ``uses`` scripts no further one is prepared for: the host will end the process.
    """
    try:
        _Worker(sock, engines, blank, uses).run()
    except (ConnectionError, EOFError):
        return
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


class _Worker:
    def __init__(self, sock: socket.socket, engines: Callable[[], Engine], blank: Blank, uses: int) -> None:
        self._sock = sock
        self._engines = engines
        self._blank = blank
        self._splitter = Splitter(_LARGEST)
        self._spare: Engine | None = engines()
        self._running: Engine | None = None
        self._uses = uses
        self._alarm = CpuAlarm()
        self._serial = 0
        self._ended = False
        self._budget = 0.0
        self._used = 0.0

    def run(self) -> None:
        while data := self._sock.recv(_CHUNK):
            for kind, parts in self._splitter.feed(data):
                self._take(kind, parts)

    def _take(self, kind: int, parts: Parts) -> None:
        if kind == Kind.START:
            self._start(parts)
        elif kind == Kind.SETTLE and self._running is not None and not self._ended:
            number, ok, time_ms = frames.settlement_head(parts[0])
            engine, value = self._running, parts[1].decode()
            self._send(self._timed(lambda: engine.settle(number, ok, value, time_ms)))
        # A settlement that was under way when the script ended is nobody's any more.

    def _start(self, parts: Parts) -> None:
        order = decode_start(parts)
        script, prepared = order.script, None
        self._serial, self._budget, self._used = order.serial, script.guest_seconds, 0.0
        if not order.prepared:
            # The parser is C code that reads hostile text: it has the script's time, and ring 2 behind it.
            try:
                prepared = self._within(lambda: self._blank(script.code, last_expression=order.last_expression))
            except ToolscriptError as error:
                self._send(Drained(messages=_refusal(error), ended=True))
                return
            script = replace(script, code=prepared)
        engine = self._running = self._spare or self._engines()
        self._spare = None
        self._send(self._timed(lambda: engine.start(script)), prepared)

    def _timed(self, step: Callable[[], Drained]) -> Drained:
        drained: Drained = self._within(step)
        self._used = drained.guest_seconds
        return drained

    def _within(self, step: Callable[[], Any]) -> Any:
        """Run a step with ring 2 armed: a signal whose default is death, so that no engine can put it off."""
        self._alarm.set(max(RING_2 * self._budget - self._used, 0.001))
        try:
            return step()
        finally:
            self._alarm.set(0)

    def _send(self, drained: Drained, prepared: str | None = None) -> None:
        flags = (Flag.ENDED if drained.ended else 0) | (Flag.HEAP_FULL if drained.heap_full else 0)
        carried = [text.encode() for text in drained.carried]
        if prepared is not None:
            flags |= Flag.PREPARED
            carried.append(prepared.encode())
        messages = f"[{drained.messages}]".encode()
        self._sock.sendall(frames.encode_batch(self._serial, drained.guest_seconds, flags, messages, carried))
        self._ended = drained.ended
        if drained.ended:
            self._rest()

    def _rest(self) -> None:
        """Free the realm and prepare the next one, after the host has its answer."""
        if self._serial >= self._uses:
            return
        if self._running is not None:
            self._running.close()
        self._running = None
        self._spare = self._spare or self._engines()


def _refusal(error: ToolscriptError) -> str:
    place = [error.position.line, error.position.column] if error.position else [None, None]
    match error:
        case UnsupportedTypeScript():
            return json.dumps(["u", error.details["construct"], error.details["alternative"], *place, []])
        case ScriptSyntaxError():
            return json.dumps(["y", error.message, *place, []])
        case _:
            return json.dumps(["f", type(error).__name__, error.message, "", *place, None, False, []])
