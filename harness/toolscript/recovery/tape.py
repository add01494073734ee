"""Decides what of a journal a replay needs: the inputs, what the guest did, the order of settlements, the ending."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from toolscript.errors import ConfigError, JournalDamaged
from toolscript.journal.records import CallRecord, EndRecord, LogRecord, Record, RunEndRecord, RunRecord, TimerRecord
from toolscript.limits import MIB, Limits, limit_names
from toolscript.runtime.session import FacadeEntry, Settlement, Start

Act = CallRecord | TimerRecord | LogRecord
CEILINGS: dict[str, float] = {
    "guest_seconds": 60.0, "heap_bytes": 256 * MIB, "stack_bytes": 4 * MIB, "console_bytes": 16 * MIB,
    "argument_bytes": 16 * MIB, "result_bytes": 16 * MIB, "source_bytes": MIB, "store_bytes": 16 * MIB,
}  # fmt: skip
"""The most that a replay may use, whatever the recording says."""
LATEST_MS = 8_640_000_000_000_000
"""The last moment that a script's clock can show, in milliseconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """One recorded run: ``acts`` is what the guest did, in order; ``settlements`` what it was told, in order."""

    run: RunRecord
    acts: tuple[Act, ...]
    settlements: tuple[Settlement, ...]
    end: RunEndRecord | None
    records: tuple[Record, ...] = ()
    """What it was read from."""

    @classmethod
    def read(cls, records: Iterable[Record]) -> Tape:
        """Return the tape of a run's records. Raises JournalDamaged when they do not begin with a run."""
        run: RunRecord | None = None
        acts: list[Act] = []
        settlements: list[Settlement] = []
        end: RunEndRecord | None = None
        kept = tuple(records)
        for line, record in enumerate(kept, 1):
            if abs(getattr(record, "time_ms", 0)) > LATEST_MS:
                raise JournalDamaged("the journal", line, f"{record.kind}.time_ms: there is no such time")
            match record:
                case RunRecord():
                    run = record
                case CallRecord() | TimerRecord() | LogRecord():
                    acts.append(record)
                case EndRecord() if end is None and not record.late:  # tasks outlive their script
                    settlements.append(_settlement(record))
                case RunEndRecord():
                    end = record
                case _:
                    pass
        if run is None:
            raise JournalDamaged("the journal", 1, "it does not begin with a run")
        return cls(run=run, acts=tuple(acts), settlements=tuple(settlements), end=end, records=kept)

    def start(self) -> Start:
        """Return the very inputs of the recorded run."""
        run = self.run
        return Start(
            source=run.source, prepared=None, last_expression=run.last_expression, params=run.params,
            context=run.context, store=run.store, seed=run.seed, time_ms=run.time_ms, limits=recorded_limits(run),
            task_prefix=run.task_prefix,
            facade=tuple(FacadeEntry(path=tuple(p.split(".")), positional=a, flat=f) for p, a, f in run.facade),
        )  # fmt: skip


def _settlement(record: EndRecord) -> Settlement:
    return Settlement(number=record.number, ok=record.ok, value=record.value, time_ms=record.time_ms)


def recorded_limits(run: RunRecord) -> Limits:
    """Return the limits of a recorded run. Raises ConfigError for names and values that are none."""
    defaults = Limits()
    if odd := [name for name, value in run.limits.items() if not math.isfinite(value)]:
        raise ConfigError(f"{run.run_id} was recorded with limits that are no numbers: {', '.join(sorted(odd))}")
    whole = {n: int(v) if isinstance(getattr(defaults, n, 0.0), int) else float(v) for n, v in run.limits.items()}
    if unknown := whole.keys() - set(limit_names()):
        raise ConfigError(f"{run.run_id} was recorded with limits that there are not: {', '.join(sorted(unknown))}")
    return Limits(**whole)  # type: ignore[arg-type]


def bearable(tape: Tape) -> Tape:
    """Return the tape with limits as far as a machine bears them.

    A recording may come from anybody: what it says must not let a script take all memory, or run for hours.
    """
    cut = {name: min(value, CEILINGS.get(name, value)) for name, value in tape.run.limits.items()}
    run = replace(tape.run, limits=cut)
    return replace(tape, run=replace(run, limits=recorded_limits(run).to_json()))
