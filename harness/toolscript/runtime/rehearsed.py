"""Decides what a worker plays when nobody listens: a script like those to come, and the answers of its host.

It is played twice over: by the process that workers descend from, so that its children need not learn what it knows,
and by the one child that tells which memory it took.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

from toolscript.runtime.engine import Drained, Engine, Script
from toolscript.runtime.session import FacadeEntry, Settlement, Start
from toolscript.runtime.wire import encode_rouse, encode_settle, encode_start, facade_text

FACADE = facade_text((FacadeEntry(path=("a",), positional=("command",), flat=True), FacadeEntry(path=("b", "c"))))
"""The tools that are laid out where none are known yet."""
_CODE = """const r = await tools{0}({{ command: ["x", 1] }});
console.log("r", r.x);
let s = 0;
for (let n = 0; n < {1}; n++) s += await tools{0}({{ n }});
const e = await Promise.all(Array.from({{ length: {2} }}, (_, n) => tools{0}({{ n }})));
return [s, e.length];"""
_VALUES = ("2", '{"x":1}')
_IN_ROW, _AT_ONCE = 9, 10
"""How many calls the script makes one after the other, behind its first, and how many at once."""
_GETS_READY, _IN_VAIN = 8, 2
"""How often a worker looks for its script in vain, once it was roused, and for an answer."""
_PRACTICE = 12
"""Scripts after which the interpreter has made its code its own, as it does for what is run often."""


class Mute:
    """An engine that costs nothing: it says a word, waits twice, and ends."""

    def __init__(self) -> None:
        self._turns = 0

    def furnish(self, facade: str) -> None:
        """Have no tools."""

    def measure(self, *, lasting: bool) -> None:
        """Hold nothing."""

    def start(self, script: Script) -> Drained:
        """Say a word."""
        return self.settle(0, True, "", 0.0)

    def settle(self, number: int, ok: bool, value: str, time_ms: float) -> Drained:
        """Say a word; end the third time."""
        self._turns += 1
        return Drained(messages='["l","log","x",1,0]', ended=self._turns == 3)

    def limber(self) -> Iterator[None]:
        """Do nothing: there is no realm."""
        return iter(())

    def interrupt(self) -> None:
        """End next time."""
        self._turns = 2

    def light(self) -> bool:
        """Never: it is closed, and begins anew."""
        return False

    def close(self) -> None:
        """Begin anew."""
        self._turns = 0


def practise(serve: Callable[[socket.socket, Callable[[], Engine], int], object]) -> None:
    """Let this process serve a few scripts itself, so that its children need not learn what it knows.

    ``serve`` is given engines that cost nothing: what is practised is the way of a script through the worker.
    """
    ours, theirs = socket.socketpair()
    start = _start(FACADE)
    with ours, theirs:
        for serial in range(1, _PRACTICE + 1):
            ours.sendall(encode_start(start, serial, furnished=facade_text(())) + _settled(1, 3))
        ours.shutdown(socket.SHUT_WR)
        serve(theirs, Mute, _PRACTICE)


def cues(facade: str) -> list[bytes | None]:
    """Return what a worker with these tools hears of a host, in turn, until its script has ended.

    None where it looks and there is nothing yet: a host takes its time, and so the worker goes other ways as well.
    """
    start = _start(facade)
    told: list[bytes | None] = [encode_rouse(start), *[None] * _GETS_READY]
    told.append(encode_start(start, 1, furnished=facade_text(()), alone=True))
    for number in range(1, 2 + _IN_ROW):
        told += [*[None] * _IN_VAIN, _settled(number, number + 1)]
    return [*told, *[None] * _IN_VAIN, _settled(2 + _IN_ROW, 2 + _IN_ROW + _AT_ONCE)]


def _start(facade: str) -> Start:
    code = _CODE.format(_called(json.loads(facade)), _IN_ROW, _AT_ONCE)
    return Start(source=code, prepared=code, last_expression=False, facade=())


def _settled(first: int, end: int) -> bytes:
    settlements = (Settlement(number=n, ok=True, value=_VALUES[n == 1], time_ms=n) for n in range(first, end))
    return b"".join(map(encode_settle, settlements))


def _called(room: dict[str, Any]) -> str:
    """Return the way to one of a facade's tools; one that there is not is called alike, and dearer."""
    for name, node in room.get("c", {}).items():
        if "p" in node:
            return f"[{json.dumps(name)}]"
        return f"[{json.dumps(name)}]{_called(node)}"
    return ".none"


class Soliloquy:
    """A worker's socket whose other end says, whenever it is asked for something, the next cue; in the end it ends."""

    def __init__(self, sock: socket.SocketType, other: socket.socket, told: list[bytes | None]) -> None:
        self._recv, self.sendall = sock.recv, sock.sendall
        self._other, self._told = other, iter(told)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive the next cue; raises BlockingIOError where there is none yet, and the call is not to wait."""
        cue = next(self._told, b"")
        while cue is None and not flags:
            cue = next(self._told, b"")
        if cue:
            self._other.send(cue)
        elif cue is not None:
            self._other.shutdown(socket.SHUT_WR)
        return self._recv(size, flags)
