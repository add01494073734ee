"""Decides what the host believes of a worker's batch: every field is checked, and only ProtocolFault is raised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

from toolscript.errors import (
    ArgumentsTooLarge,
    CallsExceeded,
    GuestTimeExceeded,
    HeapExceeded,
    LimitExceeded,
    Position,
    ProtocolFault,
    ResultNotJson,
    ResultTooLarge,
    ScriptSyntaxError,
    ScriptThrew,
    StackExceeded,
    StoreTooLarge,
    ToolscriptError,
    UnsupportedTypeScript,
)
from toolscript.limits import Limits
from toolscript.runtime.frames import Flag, Parts, batch_head
from toolscript.runtime.session import (
    ENDINGS,
    Batch,
    Call,
    Done,
    Failed,
    Log,
    Message,
    StoreChange,
    Timer,
    TimerCleared,
)
from toolscript.runtime.sites import Sites
from toolscript.runtime.wire import json_bytes
from toolscript.texts import DEEPEST, loads, too_deep

MOST_MESSAGES = 50_000
_ENDED, _PREPARED = int(Flag.ENDED), int(Flag.PREPARED)
"""As plain numbers: members of an enumeration take their time, and each batch is asked for both."""
_LEVELS = frozenset({"debug", "log", "info", "warn", "error"})
_LONGEST_DELAY = 2**31
_LIMITS: dict[str, tuple[type[LimitExceeded], str]] = {
    "GuestTimeExceeded": (GuestTimeExceeded, "guest_seconds"),
    "HeapExceeded": (HeapExceeded, "heap_bytes"),
    "StackExceeded": (StackExceeded, "stack_bytes"),
    "ResultTooLarge": (ResultTooLarge, "result_bytes"),
    "ArgumentsTooLarge": (ArgumentsTooLarge, "argument_bytes"),
    "CallsExceeded": (CallsExceeded, "calls"),
    "StoreTooLarge": (StoreTooLarge, "store_bytes"),
}


class Decoder:
    """Decodes the batches of one script, and holds it to the order that the protocol demands.

    ``failures`` are the error objects that the host itself sent, by number: a script's ending can refer to one,
    never make one up.
    """

    def __init__(
        self, serial: int, source: str, limits: Limits, failures: Mapping[int, str], prepared: str | None = None
    ) -> None:
        self._serial = serial
        self._sites = Sites(source, prepared)
        self._calls: dict[int, Position] = {}
        self._places: dict[tuple[str, Any, Any], Position] = {}
        self._limits = limits
        self._failures = failures
        self._number = 0
        self._timers: set[int] = set()

    def batch(self, parts: Parts) -> Batch:
        """Return what one BATCH frame says. Raises ProtocolFault for everything that is not exactly as agreed."""
        try:
            return self._batch(parts)
        except ProtocolFault:
            raise
        except (ValueError, TypeError, IndexError, KeyError, RecursionError) as error:
            raise ProtocolFault(f"a batch cannot be read: {type(error).__name__}") from None

    def _batch(self, parts: Parts) -> Batch:
        if len(parts) < 2:
            raise ProtocolFault("a batch has no messages part")
        serial, seconds, flags = batch_head(parts[0])
        if serial != self._serial:
            raise ProtocolFault(f"a batch belongs to script {serial} of its worker, not {self._serial}")
        carried = [*map(bytes.decode, parts[2:])]
        prepared = carried.pop() if flags & _PREPARED else None
        if prepared is not None:
            self._sites.prepared = prepared
        rows = _rows(parts[1])
        if type(rows) is not list or len(rows) > MOST_MESSAGES:
            raise ProtocolFault("a batch's messages are no list of a size that a script can make")
        messages = tuple([self._message(row, carried, flags) for row in rows]) if rows else ()
        if messages or flags & _ENDED:
            _check_ending(messages, bool(flags & _ENDED))
        return Batch(messages=messages, guest_seconds=seconds, prepared=prepared)

    def _message(self, row: Any, carried: list[str], flags: int) -> Message:
        if type(row) is not list or not row:
            raise ProtocolFault("a worker sent a message that is no list")
        match row[0]:
            case "c":
                return self._call(row, carried)
            case "l":
                return _log(row)
            case "t":
                return self._timer(row)
            case _:
                return self._rare(row, carried, flags)

    def _call(self, row: list[Any], carried: list[str]) -> Call:
        _, number, tool, line, column, spawn, arguments = row
        if type(tool) is not str or type(spawn) is not int or spawn not in (0, 1):
            raise ProtocolFault(f"a worker sent a call that cannot be: {_head(row)}")
        self._advance(number)
        place = self._call_place(number, tool, line, column)
        return Call(
            number=number, tool=tool, arguments=self._text(arguments, carried, self._limits.argument_bytes),
            line=place.line if place else None, column=place.column if place else None, spawn=spawn == 1,
        )  # fmt: skip

    def _timer(self, row: list[Any]) -> Timer:
        _, number, delay = row
        if type(delay) not in (int, float) or not 0 <= delay <= _LONGEST_DELAY:
            raise ProtocolFault(f"a worker set a timer that cannot be: {_head(row)}")
        self._advance(number)
        self._timers.add(number)
        return Timer(number=number, delay_ms=float(delay))

    def _rare(self, row: list[Any], carried: list[str], flags: int) -> Message:
        match row:
            case ["x", int(number)] if number in self._timers:
                self._timers.discard(number)
                return TimerCleared(number=number)
            case ["s", str(key), value]:
                kept = None if value is None else self._text(value, carried, self._limits.store_bytes)
                return StoreChange(key=key, value=kept)
            case _:
                return self._ending(row, carried, flags)

    def _ending(self, row: Any, carried: list[str], flags: int) -> Message:
        match row:
            case ["d", result, list(numbers)]:
                return self._done(result, carried, self._numbers(numbers))
            case [*fields, list(numbers)]:
                return Failed(error=self._error(fields, flags), unawaited=self._numbers(numbers))
            case _:
                raise ProtocolFault(f"a worker sent a message that nobody knows: {_head(row)}")

    def _done(self, result: Any, carried: list[str], unawaited: tuple[int, ...]) -> Done | Failed:
        text = _own_text(result, carried)
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if size > self._limits.result_bytes:
            return Failed(error=ResultTooLarge(self._limits.result_bytes, size), unawaited=unawaited)
        if too_deep(text):
            return Failed(
                error=ResultNotJson(f"a result is nested more than {DEEPEST} levels deep"), unawaited=unawaited
            )
        return Done(result=text, unawaited=unawaited)

    def _error(self, fields: list[Any], flags: int) -> ToolscriptError:
        match fields:
            case ["f", str(), "", "", None, None, None, True] if flags & Flag.HEAP_FULL:
                return self._limit("HeapExceeded", None, None)
            case ["f", str(name), str(message), str(stack), line, column, cause, bool()]:
                place = self._calls.get(cause) or self._position(line, column)
                return ScriptThrew(
                    name, message, stack=self._sites.stack(stack), position=place, cause=self._cause(cause)
                )
            case ["b", str(kind), used, line, column] if kind in _LIMITS:
                return self._limit(kind, used, self._position(line, column))
            case ["y", str(message), line, column]:
                return ScriptSyntaxError(message, position=_position(line, column))
            case ["u", str(construct), str(alternative), int(line), int(column)]:
                return UnsupportedTypeScript(construct, alternative, Position(line, column))
            case ["n", str(message)]:
                return ResultNotJson(message)
            case _:
                raise ProtocolFault(f"a worker sent an ending that nobody knows: {_head(fields)}")

    def _limit(self, kind: str, used: Any, position: Position | None) -> LimitExceeded:
        error, name = _LIMITS[kind]
        allowed = getattr(self._limits, name)
        if used is None:
            # The engine refused before more was used than allowed: all of it was.
            used = allowed
        if type(used) not in (int, float) or not math.isfinite(used):
            raise ProtocolFault("a limit's use is not a number")
        return error(allowed, round(used, 3), position=position)

    def _position(self, line: Any, column: Any) -> Position | None:
        """Return a place of the engine as a person counts."""
        found = _position(line, column)
        return found and self._sites.place(found.line, found.column)

    def _call_place(self, number: int, tool: str, line: Any, column: Any) -> Position | None:
        place = self._places.get((tool, line, column))  # that of a loop's calls is always the same
        if place is None:
            found = _position(line, column)
            if found is None:
                return None
            place = self._places[tool, line, column] = self._sites.call(tool, found.line, found.column)
        self._calls[number] = place
        return place

    def _cause(self, number: Any) -> dict[str, Any] | None:
        if number is None:
            return None
        found: dict[str, Any] = _rows(json_bytes(self._failures[number]))
        return found

    def _advance(self, number: Any) -> None:
        if type(number) is not int or number != self._number + 1:
            raise ProtocolFault(f"a worker numbered a message {_head(number)} after {self._number}")
        self._number = number

    def _numbers(self, numbers: list[Any]) -> tuple[int, ...]:
        if numbers and not all(type(n) is int and 1 <= n <= self._number for n in numbers):
            raise ProtocolFault("a worker speaks of calls that were never made")
        return tuple(numbers)

    def _text(self, value: Any, carried: list[str], limit: int) -> str:
        text = _own_text(value, carried)
        if len(text) > limit:
            raise ProtocolFault(f"a text of {len(text)} characters is beyond the limit of {limit}")
        if too_deep(text):
            raise ProtocolFault(f"a JSON text is nested more than {DEEPEST} levels deep")
        return text


def _check_ending(messages: tuple[Message, ...], ended: bool) -> None:
    kinds = [*map(type, messages)]
    if kinds.count(Done) + kinds.count(Failed) != ended or (ended and kinds[-1] not in ENDINGS):
        raise ProtocolFault("a batch has an ending where none may be, or none where it says so")


def _own_text(value: Any, carried: list[str]) -> str:
    """Return a text that stands in the message, or that it refers to by its place among those beside it."""
    if type(value) is str:
        return value
    if type(value) is int and 0 <= value < len(carried):
        return carried[value]
    raise ProtocolFault("a worker refers to a text that it did not send")


def _log(row: list[Any]) -> Log:
    _, level, text, line, dropped = row
    if level not in _LEVELS or type(text) is not str or type(dropped) is not int or dropped < 0:
        raise ProtocolFault(f"a worker sent a line that cannot be: {_head(row)}")
    return Log(level=level, text=text, line=_place(line), dropped=dropped)


def _place(value: Any) -> int | None:
    if value is None or (type(value) is int and value > 0):
        return value
    raise ProtocolFault("a place in the source is no number from 1")


def _position(line: Any, column: Any) -> Position | None:
    checked = _place(line)
    return None if checked is None else Position(checked, _place(column) or 1)


def _head(value: Any) -> str:
    return repr(value)[:80]


def _rows(data: bytes) -> Any:
    """Return a batch's messages. Halves of surrogate pairs, which scripts can make, become replacement marks."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return loads(data)
