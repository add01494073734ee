"""Who collects the events of a run gets them all, in order, and none of another's."""

from __future__ import annotations

from toolscript.events import Emitter, ScriptStarted


def emitted(emitter: Emitter, run_id: str, script_hash: str) -> None:
    emitter.scoped(run_id=run_id).emit(ScriptStarted, script_hash=script_hash)


def test_runs_side_by_side_are_told_apart():
    emitter = Emitter()
    with emitter.collecting("r-1") as first, emitter.collecting("r-2") as second:
        for run_id, script_hash in (("r-1", "a"), ("r-2", "b"), ("r-1", "c"), ("r-3", "d")):
            emitted(emitter, run_id, script_hash)

    assert [event.script_hash for event in first] == ["a", "c"]
    assert [event.script_hash for event in second] == ["b"]


def test_two_who_collect_one_run_both_get_it_and_one_may_end_first():
    emitter = Emitter()
    with emitter.collecting("r-1") as whole:
        with emitter.collecting("r-1") as part:
            emitted(emitter, "r-1", "a")
        emitted(emitter, "r-1", "b")
    emitted(emitter, "r-1", "c")

    assert [event.script_hash for event in part] == ["a"]
    assert [event.script_hash for event in whole] == ["a", "b"]
    assert not emitter.channel.collected


def test_events_of_no_run_are_collected_by_nobody():
    emitter = Emitter()
    with emitter.collecting("r-1") as events:
        emitter.emit(ScriptStarted, script_hash="a")

    assert events == []
