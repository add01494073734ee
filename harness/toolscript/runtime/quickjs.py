"""Decides how a script runs in quickjs-ng: one fresh context, texts in and out, and ring 1 of the limits.

The binding calls no Python from JavaScript here: its time limit forbids it, and no host callable may exist in the
realm. The limit counts CPU time but starts anew with each entry, so the budget is kept here.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from collections.abc import Callable
from time import process_time
from typing import Any

import _quickjs

from toolscript.runtime.engine import Drained, Script
from toolscript.runtime.prelude import prelude

HEADER = '(async () => {"use strict";\n'
FOOTER = "\n})"
LARGEST_STACK = 4 * 1024 * 1024
"""More would overrun the worker's own stack before the engine notices."""
_AFTERWARDS = 0.05  # seconds for draining a script that was interrupted
_PLACE = re.compile(r"script:(\d+):(\d+)")
_NULL_THROWN = '["f","thrown null"'
_STUCK = "2"
_CAN_THROW = re.compile(r"\b(?:throw|reject)\b")

SETTLE_PARSED = "(settle, number, ok, text, time) => settle(number, ok, JSON.parse(text), time)"


class Interrupted(Exception):
    """The script has used up its time."""


class QuickJSEngine:
    """A context with its facade's foundations laid, ready for one script."""

    def __init__(self, source: str | None = None) -> None:
        self._context = _quickjs.Context()
        pick = self._context.eval(source if source is not None else prelude())
        self._furnish, self._begin, self._run, self._settle, self._drain, self._part, self._drained, self._stop = (
            pick(name) for name in ("furnish", "begin", "run", "settle", "drain", "part", "drained", "stop")
        )
        self._left = self._granted = 0.0
        self._out_of_time = False

    def furnish(self, facade: str) -> None:
        """Lay the tools out for a script that is likely to come."""
        self._furnish(self._parsed(facade))

    def start(self, script: Script) -> Drained:
        """Build the facade and run the script until it waits or ends."""
        self._granted = self._left = script.guest_seconds
        self._script = script
        self._peak_at_start = _peak()
        if not _first_peak:
            _first_peak.append(self._peak_at_start)
        self._context.set_memory_limit(script.heap_bytes)
        self._context.set_max_stack_size(min(script.stack_bytes, LARGEST_STACK))
        return self._attempt(lambda: self._launch(script))

    def settle(self, number: int, ok: bool, value: str, time_ms: float) -> Drained:
        """Settle one promise and run jobs until none is left."""
        if "\\u" in value and _UNBEARABLE.search(value) is not None:
            # On its way through Python a text would end at its first NUL, and fail at half a character: it is
            # parsed over there.
            settle = self._context.eval(SETTLE_PARSED)
            return self._attempt(lambda: self._enter(settle, self._settle, number, ok, value, float(time_ms)))
        return self._attempt(lambda: self._enter(self._settle, number, ok, self._parsed(value), float(time_ms)))

    def interrupt(self) -> None:
        """Let the script run no further job."""
        self._out_of_time = True

    def close(self) -> None:
        """Free the context."""
        self.__dict__.clear()

    def _parsed(self, text: str) -> Any:
        # Never through the engine's strings: that would hold a large value twice.
        return self._context.parse_json(text)

    def _launch(self, script: Script) -> None:
        if script.facade:
            self._enter(self._furnish, self._parsed(script.facade))
        self._enter(self._begin, self._parsed(script.config), script.params, script.context, script.store)
        self._enter(self._run, self._enter(self._context.eval, HEADER + script.code + FOOTER))

    def _attempt(self, step: Callable[[], None]) -> Drained:
        """Do something, and whatever becomes of it, return what the script did and how it stands."""
        ending = ""
        try:
            step()
            while self._enter(self._context.execute_pending_job):
                pass
        except Interrupted:
            ending = _out_of_time(self._granted - self._left)
        except _quickjs.JSException as error:
            text = str(error)
            # A script that closes its own wrapper can throw from where only the engine's errors come out.
            full = text.startswith(_NO_ROOM) and self._heap_was_full()
            ending = _HEAP if full else ending_of(text)
        used = self._granted - self._left
        if ending:
            self._left, self._out_of_time = _AFTERWARDS, False
        return self._take(ending, used)

    def _enter(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call into the engine within what is left of the budget."""
        left = self._left
        if left <= 0 or self._out_of_time:
            raise Interrupted
        self._context.set_time_limit(left)
        began = process_time()
        try:
            return function(*arguments)
        except _quickjs.JSException as error:
            if str(error).startswith("InternalError: interrupted") and process_time() - began >= 0.9 * left:
                raise Interrupted from None
            raise
        finally:
            self._left -= process_time() - began

    def _take(self, ending: str, used: float) -> Drained:
        try:
            if ending:
                self._enter(self._stop, ending)
            text = self._enter(self._drain)
            count, ended, messages = (*text.split(",", 2), "")[:3]
            carried = tuple(self._enter(self._part, at) for at in range(int(count)))
            if carried:
                self._enter(self._drained)
        except Interrupted:
            return Drained(messages=f"{ending or _out_of_time(used)},[]]", ended=True, guest_seconds=used)
        except _quickjs.JSException:
            # The heap is so full that only the ending is left to tell.
            return Drained(messages=f"{ending or _HEAP},[]]", ended=True, guest_seconds=used)
        if ended == _STUCK and not messages and self._grown() > 0.75 * self._script.heap_bytes:
            # A heap that fills up between two jobs loses the promise, and with it the error.
            return self._take(_HEAP, used)
        return Drained(
            messages=messages, carried=carried, ended=ended == "1", guest_seconds=used,
            heap_full=_NULL_THROWN in messages and self._heap_was_full(),
        )  # fmt: skip

    def _heap_was_full(self) -> bool:
        """Say whether null was thrown by a full heap, which has no room for an error, or by the script."""
        if _CAN_THROW.search(self._script.code) is None:
            return True
        return _peak() - _first_peak[0] > self._script.heap_bytes // 4

    def _grown(self) -> int:
        return _peak() - self._peak_at_start


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


_first_peak: list[int] = []
"""Where the process stood before its first script; a peak never falls, so later scripts may have less to show."""


_NO_ROOM = ("null", "InternalError: out of memory")
_UNBEARABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_HEAP = '["b","HeapExceeded",null,null,null'


def _out_of_time(used: float) -> str:
    return f'["b","GuestTimeExceeded",{used:.6f},null,null'


def ending_of(text: str) -> str:
    """Return the message, its last field left open, for an exception that came out of the engine itself."""
    if "Maximum call stack size exceeded" in text.partition("\n")[0]:
        return '["b","StackExceeded",null,null,null'
    if text.startswith("SyntaxError: "):
        message = text.partition("\n")[0].removeprefix("SyntaxError: ")
        found = _PLACE.search(text)
        place = f"{found[1]},{found[2]}" if found else "null,null"
        return f'["y",{json.dumps(message)},{place}'
    return f'["f",{json.dumps(text[:200])},"","",null,null,null,false'
