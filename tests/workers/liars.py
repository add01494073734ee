"""Engines that write to the control socket what no honest worker writes."""

from __future__ import annotations

import json
import os
import struct
import threading

from toolscript.runtime.engine import Drained, Script
from toolscript.runtime.frames import Kind, encode, encode_batch
from toolscript.runtime.quickjs import QuickJSEngine

HONEST = encode_batch(1, 0.0, 1, b'[["d","1",[]]]', [])


def control() -> int:
    """Find the only descriptor that is left."""
    for fd in range(256):
        try:
            os.write(fd, b"")
        except OSError:
            continue
        return fd
    raise AssertionError("no control socket")


def _pause(seconds: float) -> None:
    """Wait without the calls that a worker may not make."""
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=seconds)


def waiting(*messages: object) -> bytes:
    return encode_batch(1, 0.0, 0, json.dumps(messages).encode(), [])


ATTACKS: dict[str, bytes] = {
    "length beyond the body": b"\xff\xff\xff\xff" + b"\x01\x11\x00\x02" + b"xxxx",
    "other version": b"\x00\x00\x00\x04\x09\x11\x00\x00",
    "parts beyond the frame": struct.pack("!IBBH", 8, 1, 17, 1) + struct.pack("!I", 1 << 31),
    "kind that hosts send": encode(Kind.START, [b"{}", b"", b"", b"", b"", b""]),
    "unknown kind": encode(99, [b"approve"]),  # type: ignore[arg-type]
    "another script's": encode_batch(2, 0.0, 1, b'[["d","1",[]]]', []),
    "no parts": encode(Kind.BATCH, []),
    "short head": encode(Kind.BATCH, [b"x", b"[]"]),
    "negative time": encode_batch(1, -1.0, 0, b"[]", []),
    "time not a number": encode_batch(1, float("nan"), 0, b"[]", []),
    "not json": encode_batch(1, 0.0, 0, b"{", []),
    "not utf-8": encode_batch(1, 0.0, 0, b'["\xff\xfe"]', []),
    "nan": encode_batch(1, 0.0, 0, b'[["t",1,NaN]]', []),
    "infinity": encode_batch(1, 0.0, 0, b'[["t",1,1e999]]', []),
    "deep json": encode_batch(1, 0.0, 0, b"[" * 200_000, []),
    "deep arguments": encode_batch(1, 0.0, 0, b'[["c",1,"exec",1,1,0,0]]', [b"[" * 100_000 + b"]" * 100_000]),
    "no list": encode_batch(1, 0.0, 0, b'{"type":"call"}', []),
    "approve": waiting(["approve", 1, True]),
    "extra field": waiting(["c", 1, "exec", 1, 1, 0, "{}", "approved"]),
    "missing field": waiting(["c", 1, "exec"]),
    "number skipped": waiting(["c", 2, "exec", 1, 1, 0, "{}"]),
    "number twice": waiting(["c", 1, "exec", 1, 1, 0, "{}"], ["c", 1, "exec", 1, 1, 0, "{}"]),
    "number is text": waiting(["c", "1", "exec", 1, 1, 0, "{}"]),
    "number is true": waiting(["c", True, "exec", 1, 1, 0, "{}"]),
    "tool is no text": waiting(["c", 1, ["exec"], 1, 1, 0, "{}"]),
    "line is negative": waiting(["c", 1, "exec", -1, 1, 0, "{}"]),
    "spawn is two": waiting(["c", 1, "exec", 1, 1, 2, "{}"]),
    "text that is not there": waiting(["c", 1, "exec", 1, 1, 0, 7]),
    "text at minus one": encode_batch(1, 0.0, 0, b'[["c",1,"exec",1,1,0,-1]]', [b"{}"]),
    "timer cleared that never was": waiting(["x", 1]),
    "delay is negative": waiting(["t", 1, -5]),
    "level unknown": waiting(["l", "fatal", "x", 1, 0]),
    "store value is no text": waiting(["s", "k", {"a": 1}]),
    "limit unknown": encode_batch(1, 0.0, 1, b'[["b","ApprovalGranted",1,1,1,[]]]', []),
    "cause that was never sent": encode_batch(1, 0.0, 1, b'[["f","E","m","",1,1,7,false,[]]]', []),
    "calls that were never made": encode_batch(1, 0.0, 1, b'[["d","1",[3]]]', []),
    "ending and no flag": encode_batch(1, 0.0, 0, b'[["d","1",[]]]', []),
    "flag and no ending": encode_batch(1, 0.0, 1, b"[]", []),
    "call after the ending": encode_batch(1, 0.0, 1, b'[["d","1",[]],["c",1,"exec",1,1,0,"{}"]]', []),
    "two endings": encode_batch(1, 0.0, 1, b'[["d","1",[]],["d","2",[]]]', []),
    "too many messages": encode_batch(1, 0.0, 0, b"[" + b",".join([b'["l","log","x",1,0]'] * 60_000) + b"]", []),
    "half characters in a part": encode_batch(1, 0.0, 1, b'[["d",0,[]]]', [b'"\xed\xa0\x80"']),
}


class Liar(QuickJSEngine):
    """Sends the attack that the script's text names."""

    def start(self, script: Script) -> Drained:
        name = script.code.strip().removeprefix("//").strip()
        os.write(control(), ATTACKS[name])
        _pause(60)
        raise AssertionError("not ended")


class HalfFrame(QuickJSEngine):
    """Sends the beginning of a frame and ends."""

    def start(self, script: Script) -> Drained:
        os.write(control(), HONEST[:20])
        os._exit(0)


class Drip(QuickJSEngine):
    """Sends a frame so slowly that it never ends in time."""

    def start(self, script: Script) -> Drained:
        fd = control()
        for byte in HONEST:
            os.write(fd, bytes([byte]))
            _pause(0.5)
        raise AssertionError("not ended")


class TwoResults(QuickJSEngine):
    """Ends the script twice."""

    def start(self, script: Script) -> Drained:
        os.write(control(), HONEST)
        return Drained(messages='["d","2",[]]', ended=True)


class CallAfterEnd(QuickJSEngine):
    """Ends the script and then calls a tool."""

    def start(self, script: Script) -> Drained:
        os.write(control(), HONEST + waiting(["c", 1, "exec", 1, 1, 0, "{}"]))
        _pause(60)
        raise AssertionError("not ended")


class Silent(QuickJSEngine):
    """Never answers, and computes nothing."""

    def start(self, script: Script) -> Drained:
        _pause(600)
        raise AssertionError("not ended")


class Loud(QuickJSEngine):
    """Floods standard output and standard error, which are closed."""

    def start(self, script: Script) -> Drained:
        said = 0
        for _ in range(1000):
            for fd in (1, 2):
                try:
                    said += os.write(fd, b"x" * 65536)
                except OSError:
                    continue
        return Drained(messages=f'["d","{said}",[]]', ended=True)


class Crashing(QuickJSEngine):
    """Reads where no memory is."""

    def start(self, script: Script) -> Drained:
        import ctypes

        ctypes.string_at(8)
        raise AssertionError("not ended")


class Stillborn:
    """Cannot be made at all."""

    def __init__(self) -> None:
        raise RuntimeError("the engine's library is missing")


class Forger(QuickJSEngine):
    """Calls tools that its script never named, then ends it."""

    def start(self, script: Script) -> Drained:
        calls = [["c", n, tool, 1, 1, 0, "{}"] for n, tool in enumerate(("secretly", "no.such", "spawn.get"), 1)]
        self._left = 3
        return Drained(messages=json.dumps(calls)[1:-1])

    def settle(self, number: int, ok: bool, value: str, time_ms: float) -> Drained:
        self._left -= 1
        return Drained(messages='["d","1",[]]' if self._left == 0 else "", ended=self._left == 0)
