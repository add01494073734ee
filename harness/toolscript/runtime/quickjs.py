"""Decides how a script runs in quickjs-ng: one fresh context, texts in and out, and ring 1 of the limits.

The binding calls no Python from JavaScript here: its time limit forbids it, and no host callable may exist in the
realm. The limit counts CPU time but starts anew with each entry, so the budget is kept here.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from collections.abc import Callable, Iterator
from time import perf_counter, process_time
from typing import Any

import _quickjs

from toolscript.runtime.allocated import taken
from toolscript.runtime.engine import Drained, Script
from toolscript.runtime.prelude import prelude

HEADER = '(async () => {"use strict";\n'
FOOTER = "\n})"
LARGEST_STACK = 4 * 1024 * 1024
"""More would overrun the worker's own stack before the engine notices."""
_LARGE_INPUT = 64 * 1024
"""Characters of a script and what it is given that count in its memory: the process has read them by then."""
_LIGHT = 8 * 1024 * 1024
_AFTERWARDS = 0.05  # seconds for draining a script that was interrupted
_UNSEEN = 0.001
"""Seconds that may pass before the process's clock, which is dear to read, is looked at again."""
_PLACE = re.compile(r"script:(\d+):(\d+)")
_NULL_THROWN = '["f","thrown null"'
_STUCK = "2"
_CAN_THROW = re.compile(r"\b(?:throw|reject)\b")

SETTLE_PARSED = "(settle, number, ok, text, time) => settle(number, ok, JSON.parse(text), time)"


_EXERCISE = '{"a": 1, "b": [2.5, "c"]}'


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
        # Never through the engine's strings: that would hold a large value twice.
        self._parsed = self._context.parse_json
        self._limit = self._context.set_time_limit
        self._job = self._context.execute_pending_job
        self._left = self._granted = 0.0
        self._ends = self._looked = 0.0
        self._out_of_time = False
        self._peak_before = -1

    def furnish(self, facade: str) -> None:
        """Lay the tools out for a script that is likely to come."""
        self._furnish(self._parsed(facade))

    def measure(self, *, lasting: bool) -> None:
        """Note what the process holds."""
        self._peak_before = _peak()
        if not _ran:
            _first_peak[:] = [self._peak_before]
        if lasting and not _first_taken:
            _first_taken.append(taken())

    def start(self, script: Script) -> Drained:
        """Build the facade and run the script until it waits or ends."""
        self._granted = self._left = script.guest_seconds
        self._script = script
        if self._peak_before < 0 or script.size > _LARGE_INPUT:
            self.measure(lasting=self._peak_before < 0)
        _ran[:] = [True]
        self._context.set_memory_limit(script.heap_bytes)
        self._context.set_max_stack_size(min(script.stack_bytes, LARGEST_STACK))
        return self._attempt(self._launch, script)

    def settle(self, number: int, ok: bool, value: str, time_ms: float) -> Drained:
        """Settle one promise and run jobs until none is left."""
        return self._attempt(self._answer, number, ok, value, time_ms)

    def limber(self) -> Iterator[None]:
        """Compile a script, settle what nobody waits for, and take nothing out."""
        self._parsed(_EXERCISE)
        self._settle(0, True, self._parsed("1"), 0.0)
        self._drain()
        yield
        self._context.eval(HEADER + "const a = await 1;\nreturn [a];" + FOOTER)
        yield
        self._context.eval("(async () => {})()")
        self._job()
        _peak()
        process_time()

    def interrupt(self) -> None:
        """Let the script run no further job."""
        self._out_of_time = True
        self._looked = 0.0

    def light(self) -> bool:
        """Say whether the process holds hardly more memory than before its first script, touched or not."""
        now = taken()
        return now >= 0 and now - _first_taken[0] < _LIGHT

    def close(self) -> None:
        """Free the context."""
        self.__dict__.clear()

    def _launch(self, script: Script) -> None:
        if script.facade:
            self._furnish(self._parsed(script.facade))
        self._begin(self._parsed(script.config), script.params, script.context, script.store)
        self._look()
        wrapped = self._context.eval(HEADER + script.code + FOOTER)
        self._look()
        self._run(wrapped)

    def _answer(self, number: int, ok: bool, value: str, time_ms: float) -> None:
        if "\\u" in value and _UNBEARABLE.search(value) is not None:
            # On its way through Python a text would end at its first NUL, and fail at half a character: it is
            # parsed over there.
            self._context.eval(SETTLE_PARSED)(self._settle, number, ok, value, float(time_ms))
        else:
            self._settle(number, ok, self._parsed(value), float(time_ms))

    def _attempt(self, step: Callable[..., None], *arguments: Any) -> Drained:
        """Do something, and whatever becomes of it, return what the script did and how it stands."""
        job, clock = self._job, perf_counter
        try:
            self._resume()
            step(*arguments)
            while True:
                if clock() - self._looked > _UNSEEN:
                    self._look()
                if not job():
                    break
        except Interrupted:
            return self._broken_off(_out_of_time(self._pause()))
        except _quickjs.JSException as error:
            return self._failed(str(error))
        return self._take("")

    def _resume(self) -> None:
        """Let the budget run: ``_ends`` is where on the process's clock it will be used up."""
        left = self._left
        self._ends = process_time() + left
        self._allow(left)

    def _pause(self) -> float:
        """Stop the budget, and return what the script has used of it."""
        self._left = self._ends - process_time()
        return self._used()

    def _used(self) -> float:
        # What was added and taken away again may be a hair less than nothing.
        return max(self._granted - self._left, 0.0)

    def _look(self) -> None:
        self._allow(self._ends - process_time())

    def _allow(self, left: float) -> None:
        """Give so much to each entry into the engine from now on; Interrupted where it is nothing."""
        if left <= 0 or self._out_of_time:
            raise Interrupted
        self._limit(left)
        self._looked = perf_counter()

    def _failed(self, text: str) -> Drained:
        used = self._pause()
        if text.startswith("InternalError: interrupted") and self._left < _UNSEEN:
            return self._broken_off(_out_of_time(used))
        # A script that closes its own wrapper can throw from where only the engine's errors come out.
        full = text.startswith(_NO_ROOM) and self._heap_was_full()
        return self._broken_off(_HEAP if full else ending_of(text))

    def _broken_off(self, ending: str) -> Drained:
        """Have what was said told, in a little time of its own, and then the ending."""
        used = self._used()
        self._left, self._out_of_time = _AFTERWARDS, False
        self._resume()
        drained = self._take(ending)
        return drained._replace(guest_seconds=used)

    def _take(self, ending: str) -> Drained:
        carried: tuple[str, ...] = ()
        try:
            if ending:
                self._stop(ending)
            text = self._drain()
            count, ended, messages = (*text.split(",", 2), "")[:3]
            if count != "0":
                carried = tuple(map(self._part, range(int(count))))
                self._drained()
            used = self._pause()
        except _quickjs.JSException as error:
            late = str(error).startswith("InternalError: interrupted")
            used = self._pause()
            # The heap is so full, or the time so short, that only the ending is left to tell.
            untold = _out_of_time(used) if late else _HEAP
            return Drained(messages=f"{ending or untold},[]]", ended=True, guest_seconds=used)
        if ended == _STUCK and not messages and self._grown() > 0.75 * self._script.heap_bytes:
            # A heap that fills up between two jobs loses the promise, and with it the error.
            return self._broken_off(_HEAP)
        return Drained(messages, carried, ended == "1", _NULL_THROWN in messages and self._heap_was_full(), used)

    def _heap_was_full(self) -> bool:
        """Say whether null was thrown by a full heap, which has no room for an error, or by the script."""
        if _CAN_THROW.search(self._script.code) is None:
            return True
        return _peak() - _first_peak[0] > self._script.heap_bytes // 4

    def _grown(self) -> int:
        return _peak() - self._peak_before


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


_ran: list[bool] = []
"""Whether this process had a script."""
_first_peak: list[int] = []
"""Where the process stood before its first script; a peak never falls, so later scripts may have less to show."""


_first_taken: list[int] = []
"""What it held then."""

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
