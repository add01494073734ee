"""Decides how a script runs in quickjs-rs: QuickJS inside WebAssembly, where a broken engine breaks nothing else.

For systems whose kernel confines processes less. Slower than the native engine, and held to the same contract.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from time import process_time
from typing import Any, ClassVar

import wasmtime
from quickjs_rs import JSError, MemoryLimitError, QuickJSError, Runtime
from quickjs_rs import TimeoutError as EngineTimeout

from toolscript.runtime.engine import Drained, Script
from toolscript.runtime.prelude import prelude
from toolscript.runtime.quickjs import _NO_ROOM, _STUCK, FOOTER, HEADER, ending_of

_LARGEST_HEAP = 1 << 30
_LARGEST_STACK = 512 * 1024
"""The instance's own stack ends about there; a script that overruns it ends the instance, and cannot catch that."""
_FOR_TELLING = 1 << 20
"""What a full heap may grow by so that what was said before is told."""
_AFTERWARDS = 0.05  # seconds for draining a script that was interrupted
_HEAP = '["b","HeapExceeded",null,null,null'
_STACK = '["b","StackExceeded",null,null,null'
_NULL_THROWN = '["f","thrown null"'
_PLACE = re.compile(r"eval_script:(\d+):(\d+)")
_CAN_THROW = re.compile(r"\b(?:throw|reject)\b")


class _Interrupted(Exception):
    """The script has used up its time."""


class WasmEngine:
    """A wasm instance with its facade's foundations laid, ready for one script."""

    reserves_memory: ClassVar[bool] = True
    """It maps gigabytes that it never touches, so a limit on the address space cannot hold it."""

    def __init__(self) -> None:
        self._runtime = Runtime(memory_limit=_LARGEST_HEAP, stack_limit=_LARGEST_STACK)
        self._context = self._runtime.new_context(timeout=3600)
        self._until = float("inf")
        self._runtime._engine_rt.set_interrupt_handler(lambda: process_time() >= self._until)
        pick = self._context.eval_handle(prelude())
        names = ("furnish", "begin", "run", "settle", "drain", "part", "drained", "stop", "parse")
        self._call = {name: pick.call(name) for name in names}
        self._left = self._granted = 0.0
        self._out_of_time = False
        self._broken = False

    def furnish(self, facade: str) -> None:
        """Lay the tools out for a script that is likely to come."""
        self._call["furnish"].call(self._parsed(facade))

    def measure(self, *, lasting: bool) -> None:
        """Do nothing: an instance has its own memory, and knows how much."""

    def start(self, script: Script) -> Drained:
        """Build the facade and run the script until it waits or ends."""
        self._granted = self._left = script.guest_seconds
        self._script = script
        self._context._engine_ctx._inst.c("set_max_stack_size", min(script.stack_bytes, _LARGEST_STACK))
        self._most_memory = self._memory() + script.heap_bytes
        self._hold(self._most_memory)
        return self._attempt(lambda: self._launch(script))

    def settle(self, number: int, ok: bool, value: str, time_ms: float) -> Drained:
        """Settle one promise and run jobs until none is left."""
        return self._attempt(
            lambda: self._enter(lambda: self._call["settle"].call(number, ok, self._parsed(value), float(time_ms)))
        )

    def limber(self) -> Iterator[None]:
        """Do nothing: what a call costs here is not memory."""
        return iter(())

    def interrupt(self) -> None:
        """Let the script run no further job."""
        self._out_of_time = True

    def light(self) -> bool:
        """Never: the instance has its whole memory to itself."""
        return False

    def close(self) -> None:
        """Free the instance."""
        self._runtime.close()

    def _hold(self, most: int) -> None:
        """Let the instance's memory grow so far: the engine within keeps no limit that it is given later."""
        self._context._engine_ctx._inst.store.set_limits(memory_size=most)

    def _memory(self) -> int:
        instance = self._context._engine_ctx._inst
        size: int = instance.mem.data_len(instance.store)
        return size

    def _parsed(self, text: str) -> Any:
        return self._call["parse"].call(text)

    def _launch(self, script: Script) -> None:
        if script.facade:
            self._enter(lambda: self.furnish(script.facade))
        texts = (script.params, script.context, script.store)
        self._enter(lambda: self._call["begin"].call(self._parsed(script.config), *texts))
        self._enter(lambda: self._call["run"].call(self._context.eval_handle(HEADER + script.code + FOOTER)))

    def _attempt(self, step: Callable[[], None]) -> Drained:
        ending = ""
        try:
            step()
            self._enter(self._context._engine_ctx.run_pending_jobs)
        except _Interrupted:
            ending = _out_of_time(self._granted - self._left)
        except MemoryLimitError:
            ending = _HEAP
        except wasmtime.Trap as trap:
            # The instance is of no use any more, but nothing outside it is touched.
            self._broken = True
            ending = _STACK if trap.trap_code == wasmtime.TrapCode.STACK_OVERFLOW else _HEAP
        except QuickJSError as error:
            text = _text(error)
            full = text.startswith(_NO_ROOM) and _CAN_THROW.search(self._script.code) is None
            ending = _HEAP if full else ending_of(text)
        used = self._granted - self._left
        if ending:
            self._left, self._out_of_time = _AFTERWARDS, False
        return self._take(ending, used)

    def _enter(self, step: Callable[[], Any]) -> Any:
        """Call into the engine within what is left of the budget."""
        if self._left <= 0 or self._out_of_time:
            raise _Interrupted
        began = process_time()
        self._until = began + self._left
        try:
            return step()
        except (QuickJSError, wasmtime.Trap) as error:
            if process_time() >= self._until or isinstance(error, EngineTimeout):
                raise _Interrupted from None
            raise
        finally:
            self._until = float("inf")
            self._left -= process_time() - began

    def _take(self, ending: str, used: float) -> Drained:
        try:
            if self._broken:
                raise _Interrupted
            if ending:
                self._hold(self._most_memory + _FOR_TELLING)
                self._enter(lambda: self._call["stop"].call(ending))
            text = self._enter(lambda: self._call["drain"].call().to_python())
            count, ended, messages = (*text.split(",", 2), "")[:3]
            carried = tuple(self._part(at) for at in range(int(count)))
            if carried:
                self._enter(self._call["drained"].call)
        except _Interrupted:
            return Drained(messages=f"{ending or _out_of_time(used)},[]]", ended=True, guest_seconds=used)
        except (QuickJSError, wasmtime.Trap):
            return Drained(messages=f"{ending or _HEAP},[]]", ended=True, guest_seconds=used)
        if ended == _STUCK and not messages and self._memory() > self._most_memory - self._script.heap_bytes // 4:
            # A heap that fills up between two jobs loses the promise, and with it the error.
            return self._take(_HEAP, used)
        return Drained(
            messages=messages, carried=carried, ended=ended == "1", guest_seconds=used,
            heap_full=_NULL_THROWN in messages and _CAN_THROW.search(self._script.code) is None,
        )  # fmt: skip

    def _part(self, at: int) -> str:
        text: str = self._enter(lambda: self._call["part"].call(at).to_python())
        return text


def _out_of_time(used: float) -> str:
    return f'["b","GuestTimeExceeded",{used:.6f},null,null'


def _text(error: QuickJSError) -> str:
    if not isinstance(error, JSError):
        return str(error)
    place = _PLACE.search(error.stack or "")
    where = f"script:{int(place[1]) - 1}:{place[2]}" if place else ""
    return f"{error.name}: {error.message}\n{where}"
