"""A defect of the harness, of a tool or of a face ends one call or one run, with a typed error; the host goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from toolscript.errors import JournalError
from toolscript.events import RunStatus
from toolscript.facade import course as course_module
from toolscript.harness import Harness
from toolscript.journal.records import EndRecord, MemoryJournal, Record, RunEndRecord, RunRecord

pytestmark = pytest.mark.anyio


class Failing(MemoryJournal):
    """A journal that fails at the first record of one kind."""

    def __init__(self, kind: type[Any], error: Exception) -> None:
        super().__init__()
        self.kind, self.error = kind, error

    def write(self, record: Record) -> None:
        if isinstance(record, self.kind):
            raise self.error
        super().write(record)


@pytest.fixture
async def harness(tmp_path: Path):
    journals: list[MemoryJournal] = []
    async with Harness(tmp_path, journals=lambda run_id: journals.pop() if journals else MemoryJournal()) as opened:
        opened.given = journals
        yield opened


async def goes_on(harness: Any) -> bool:
    with anyio.fail_after(30):
        run = await harness.run("await writeFile('after.txt', 'x'); return readFile('after.txt')")
        task = await harness.run("return (await tools.spawn.readFile({path: 'after.txt'}).done)")
    return run.result == "x" and task.result == "x"


@pytest.mark.parametrize("error", [OSError("broken"), JournalError("disk full")], ids=["unexpected", "typed"])
@pytest.mark.parametrize("kind", [RunRecord, EndRecord, RunEndRecord])
@pytest.mark.parametrize("source", ["return readFile('a')", "return tools.spawn.readFile({path: 'a'}).done"])
async def test_a_journal_that_fails_at_any_record_ends_the_run_and_nothing_else(harness, kind, error, source):
    (harness.workspace / "a").write_text("a")
    harness.given.append(Failing(kind, error))

    with anyio.fail_after(30):
        run = await harness.run(source)

    assert run.status is RunStatus.FAILED
    assert run.error["code"] == ("journal_error" if isinstance(error, JournalError) else "internal")
    assert await goes_on(harness)


async def test_a_defect_in_serving_a_message_ends_the_run_and_nothing_else(harness, monkeypatch):
    def broken(self: Any, call: Any, group: Any) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr(course_module.Course, "_call", broken)
        run = await harness.run("await readFile('a')")

    assert (run.status, run.error["code"]) == (RunStatus.FAILED, "internal")
    assert await goes_on(harness)


async def test_a_defect_on_the_road_ends_the_run_and_nothing_else(harness, monkeypatch):
    async def broken(self: Any, call: Any, **more: Any) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr("toolscript.facade.road.Road.travel", broken)
        run = await harness.run("await Promise.all([readFile('a'), sleep(60000)])")
        task = await harness.run("const t = tools.spawn.readFile({path: 'a'}); return t.done.catch((e) => e.code)")

    assert (run.status, run.error["code"]) == (RunStatus.FAILED, "internal")
    assert task.result == "internal" or task.error["code"] in ("internal", "deadlock"), task
    assert await goes_on(harness)


async def test_the_end_of_a_run_with_a_defect_is_written_down(harness, monkeypatch):
    journal = MemoryJournal()
    harness.given.append(journal)
    with monkeypatch.context() as patched:
        patched.setattr(course_module.Course, "_timer", lambda self, timer: 1 / 0)
        await harness.run("await sleep(1)")

    (end,) = [r for r in journal.records if isinstance(r, RunEndRecord)]
    assert (end.status, end.error["code"]) == ("failed", "internal")


async def test_a_face_that_fails_takes_neither_the_run_nor_other_faces_with_it(harness):
    heard = []

    def broken(event: Any) -> None:
        raise RuntimeError("a broken face")

    with harness.listening(broken), harness.listening(heard.append):
        run = await harness.run("console.log('x'); return 1")

    assert run.result == 1
    assert {"script_log", "script_execution_output"} <= {event.type for event in heard}
