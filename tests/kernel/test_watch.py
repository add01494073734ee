from __future__ import annotations

import pytest
from tests.kernel import sample

from toolscript import events as ev
from toolscript_kernel.record import Transcript
from toolscript_kernel.view.watch import Watch


class Counting:
    """A view that counts what it is told."""

    def __init__(self) -> None:
        self.events = 0
        self.refreshed: list[Transcript] = []
        self.finished: Transcript | None = None

    def event(self, event: ev.BaseEvent) -> None:
        self.events += 1

    def refresh(self, transcript: Transcript) -> float:
        self.refreshed.append(transcript)
        return 0.0

    def finish(self, transcript: Transcript) -> None:
        self.finished = transcript


@pytest.mark.anyio
async def test_thousands_of_deltas_become_few_refreshes():
    import asyncio

    view = Counting()
    watch = Watch(view)
    emitter = ev.Emitter().scoped(turn_id="t-1")
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with emitter.listening(watch):
        emitter.emit(ev.TurnStarted, prompt="p", agent="a")
        for index in range(10_000):
            emitter.emit(ev.MessageDelta, text="word ")
            if index % 200 == 0:
                await asyncio.sleep(0)
    lasted = loop.time() - begun
    end = watch.finish()

    assert view.events == 10_001
    assert len(view.refreshed) <= lasted * 20 + 2
    assert end.parts[0].text == "word " * 10_000
    assert view.finished == end


@pytest.mark.anyio
async def test_events_of_other_cells_are_left_out():
    view = Counting()
    watch = Watch(view)
    emitter = ev.Emitter()
    earlier = emitter.scoped(run_id="r-0", turn_id="t-0")
    mine = emitter.scoped(run_id="r-1")
    nested = emitter.scoped(run_id="r-2", parent="r-1/1", turn_id="t-5")
    with emitter.listening(watch):
        earlier.emit(ev.TaskFinished, task_id="x", operation=1, tool="exec", status=ev.OperationStatus.SUCCEEDED)
        mine.emit(ev.ScriptExecution, source="s", script_hash="h")
        earlier.emit(ev.ScriptLog, level="log", text="from before")
        nested.emit(ev.ScriptExecution, source="inner", script_hash="h")
        mine.emit(ev.ScriptLog, level="log", text="mine")
        emitter.scoped(turn_id="t-9").emit(ev.TurnStarted, prompt="other", agent="a")

    end = watch.finish()
    assert [s.run.run_id for s in end.scripts] == ["r-1"]
    assert [log.text for log in end.scripts[0].run.logs] == ["mine"]
    assert view.events == 3


@pytest.mark.anyio
async def test_nothing_is_shown_after_the_end():
    view = Counting()
    watch = Watch(view)
    emitter = ev.Emitter().scoped(run_id="r-1")
    with emitter.listening(watch):
        sample.script(emitter, origin="cell")
        watch.finish()
        emitter.emit(ev.ScriptLog, level="log", text="late")

    assert view.finished is not None
    assert [log.text for log in view.finished.scripts[0].run.logs] == ["1 TODOs, exit 1"]


@pytest.mark.anyio
async def test_a_task_that_outlives_its_cell_is_shown_when_it_ends_and_nothing_after_that():
    view = Counting()
    watch = Watch(view)
    emitter = ev.Emitter()
    mine = emitter.scoped(run_id="r-1")
    task = {"task_id": "task-1.1", "operation": 1, "tool": "exec"}
    with emitter.listening(watch):
        mine.emit(ev.ScriptExecution, source="s", script_hash="h")
        mine.emit(ev.TaskStarted, **task)
        mine.emit(ev.OperationStarted, operation=1, tool="exec", arguments={}, task_id="task-1.1")
        mine.emit(ev.ScriptExecutionOutput, status=ev.RunStatus.COMPLETED, script_hash="h")
    before = watch.finish()
    watch.follow(emitter.listening(watch))
    assert before.scripts[0].run.operations[0].duration_ms is None

    output = {"exitCode": 3, "stdout": ""}
    done = {"operation": 1, "tool": "exec", "status": ev.OperationStatus.SUCCEEDED}
    mine.emit(ev.OperationFinished, **done, output=output, duration_ms=5.0)
    assert view.finished is before
    mine.emit(ev.TaskFinished, **task, status=ev.OperationStatus.SUCCEEDED)
    assert view.finished.scripts[0].run.operations[0].output == output

    last = view.finished
    mine.emit(ev.TaskFinished, **task, status=ev.OperationStatus.SUCCEEDED)
    assert view.finished is last
    assert emitter.channel.listeners == []
