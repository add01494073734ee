"""Console lines become events soon, in order and batched; a store's changes count at the end of a run."""

from __future__ import annotations

import pytest

from toolscript.errors import StoreTooLarge
from toolscript.events import Emitter
from toolscript.facade.console import Console
from toolscript.facade.store import Store
from toolscript.limits import Limits
from toolscript.runtime.session import Log


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def write(count: int, *, limits: Limits | None = None, step: float = 0.0) -> list:
    time, events, emitter = Time(), [], Emitter()
    console = Console(emitter, limits or Limits(), now=time)
    with emitter.listening(events.append):
        for i in range(count):
            console.write(Log(level="log", text=str(i)))
            time.now += step
        console.close()
    return events


def test_slow_lines_leave_one_by_one():
    assert [e.text for e in write(5, step=0.1)] == ["0", "1", "2", "3", "4"]


def test_fast_lines_share_events_and_none_is_lost():
    events = write(10_000)

    assert len(events) == 21
    assert "\n".join(e.text for e in events).split("\n") == [str(i) for i in range(10_000)]


def test_a_run_never_has_more_console_events_than_allowed():
    events = write(5_000, limits=Limits(console_events=50), step=1.0)

    assert len(events) == 50
    assert "\n".join(e.text for e in events).split("\n") == [str(i) for i in range(5_000)]


def test_what_the_worker_dropped_is_said():
    events, emitter = [], Emitter()
    console = Console(emitter, Limits())
    with emitter.listening(events.append):
        console.write(Log(level="log", text="x", dropped=7))
        console.close()

    assert (events[-1].source, events[-1].text.split()[0]) == ("harness", "7")


def test_a_store_takes_all_changes_of_a_run_or_none():
    store = Store({"a": "1", "b": "2"})

    store.commit({"a": None, "c": '"x"'}, quota=100)
    with pytest.raises(StoreTooLarge):
        store.commit({"d": '"' + "y" * 200 + '"', "b": None}, quota=100)

    assert store.snapshot() == '{"b":2,"c":"x"}'
