"""Decides what changed between a recorded run and one that ran for real: calls by their place, then the rest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from toolscript.errors import Json
from toolscript.journal.records import CallRecord, EndRecord, LogRecord, Record, RunEndRecord
from toolscript.texts import loads

Place = tuple[str, int | None, int | None, int]
VOLATILE = frozenset({"durationMs", "duration_ms"})
"""What differs between any two runs and says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is otherwise: what, as recorded, and now. None: it was not there."""

    what: str
    recorded: str | None
    now: str | None

    def __str__(self) -> str:
        lines = [self.what]
        lines += [] if self.recorded is None else [f"  - {self.recorded}"]
        lines += [] if self.now is None else [f"  + {self.now}"]
        return "\n".join(lines)


def differences(recorded: Iterable[Record], now: Iterable[Record]) -> tuple[Difference, ...]:
    """Return what changed, in the order of the recorded run; calls are the same at the same place and occurrence."""
    then, today = _View.of(recorded), _View.of(now)
    found = [
        Difference(what=_name(place), recorded=then.calls.get(place), now=today.calls.get(place))
        for place in dict.fromkeys([*then.calls, *today.calls])
    ]
    found.append(Difference(what="console", recorded=then.logs, now=today.logs))
    found.append(Difference(what="ending", recorded=then.ending, now=today.ending))
    return tuple(d for d in found if d.recorded != d.now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    calls: dict[Place, str]
    logs: str
    ending: str | None

    @classmethod
    def of(cls, records: Iterable[Record]) -> _View:
        kept = tuple(records)
        ends = {r.number: r for r in kept if isinstance(r, EndRecord)}
        seen: Counter[Place] = Counter()
        calls: dict[Place, str] = {}
        for call in (r for r in kept if isinstance(r, CallRecord)):
            base = (call.tool, call.line, call.column, 0)
            seen[base] += 1
            calls[(*base[:3], seen[base])] = _call(call, ends.get(call.number))
        end = next((r for r in kept if isinstance(r, RunEndRecord)), None)
        logs = "\n    ".join(r.text for r in kept if isinstance(r, LogRecord))
        return cls(calls=calls, logs=logs, ending=None if end is None else _ending(end))


def _call(call: CallRecord, end: EndRecord | None) -> str:
    what = f"({call.arguments})"
    return what if end is None else f"{what} → {end.status} {_plain(end.value)}"


def _ending(end: RunEndRecord) -> str:
    if end.status == "completed":
        return f"completed: {end.result}"
    error = end.error or {}
    return f"{end.status}: {error.get('code')}: {error.get('message')}"


def _plain(value: str) -> str:
    try:
        data: Json = loads(value)
    except ValueError:
        return value
    if isinstance(data, dict):
        data = {name: item for name, item in data.items() if name not in VOLATILE}
    return json.dumps(data, ensure_ascii=False)


def _name(place: Place) -> str:
    tool, line, _, occurrence = place
    where = f" at line {line}" if line else ""
    return f"{tool}{where}" + (f", call {occurrence}" if occurrence > 1 else "")
