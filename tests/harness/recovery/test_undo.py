"""Undo: every path back to what it was before a run, or nothing touched and a choice."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from toolscript.errors import ConfigError, StillInterrupted, ToolError
from toolscript.events import RunStatus
from toolscript.files.content import digest_of
from toolscript.files.disk import DiskFiles
from toolscript.harness import Harness
from toolscript.journal.reader import records
from toolscript.journal.records import RunRecord
from toolscript.journal.state import run_files, run_path
from toolscript.journal.writer import DiskJournal
from toolscript.recovery import history
from toolscript.recovery.undo import Effects
from toolscript.recovery.unknown import Resolution
from toolscript.registry.files import Change, State
from toolscript.workshop import Order

pytestmark = pytest.mark.anyio

SCRIPT = """
await writeFile('kept.txt', 'changed\\n');
await writeFile('deep/new.txt', 'new\\n').catch(() => tools.writeFile({path: 'deep/new.txt', content: 'new\\n', createDirs: true}));
await applyPatch(`*** Begin Patch
*** Delete File: gone.txt
*** Update File: moved.txt
*** Move to: there/moved.txt
@@
-one
+two
*** End Patch`);
return shell('echo not undone > /dev/null').then(() => 'done');
"""


@pytest.fixture
async def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    tmp_path = tmp_path / "workspace"
    tmp_path.mkdir()
    for name, text in (("kept.txt", "before\n"), ("gone.txt", "gone\n"), ("moved.txt", "one\n")):
        (tmp_path / name).write_text(text)
    (tmp_path / "kept.txt").chmod(0o640)
    async with Harness(tmp_path) as opened:
        yield opened


def tree(root: Path) -> dict[str, tuple[int, str]]:
    return {
        str(p.relative_to(root)): (p.stat().st_mode & 0o777, p.read_text())
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


async def test_an_undo_restores_contents_modes_deletions_and_moves(harness):
    before = tree(harness.workspace)
    run = await harness.run(SCRIPT)
    assert run.result == "done", run.error
    assert tree(harness.workspace) != before

    undone = await harness.undo(run.run_id)

    assert undone.error is None
    assert tree(harness.workspace) == before
    assert not (harness.workspace / "deep").exists()
    assert not (harness.workspace / "there").exists()
    assert undone.result["not_undone"] == ['shell {"command":"echo not undone > /dev/null"}']


async def test_an_undo_can_be_undone(harness):
    run = await harness.run(SCRIPT)
    after = tree(harness.workspace)

    first = await harness.undo(run.run_id)
    again = await harness.undo(first.run_id)

    assert again.error is None
    assert tree(harness.workspace) == after


async def test_nothing_is_touched_when_a_path_has_changed_since(harness):
    run = await harness.run(SCRIPT)
    (harness.workspace / "kept.txt").write_text("mine\n")
    left = tree(harness.workspace)

    undone = await harness.undo(run.run_id)

    assert undone.error["code"] == "changed"
    assert [Path(c["path"]).name for c in undone.error["details"]["conflicts"]] == ["kept.txt"]
    assert tree(harness.workspace) == left


@pytest.mark.parametrize(
    ("pick", "text"), [("keep", "1\n2\nlater\n"), ("restore", "1\n2\n3\n"), ("merge", "1\n2\nlater\n")]
)
async def test_a_person_chooses_for_a_path_that_changed_since(harness, pick, text):
    path = harness.workspace / "kept.txt"
    path.write_text("1\n2\n3\n")
    run = await harness.run("await writeFile('kept.txt', 'one\\n2\\n3\\n')")
    path.write_text("one\n2\nlater\n" if pick == "merge" else "1\n2\nlater\n")

    undone = await harness.undo(run.run_id, picks={path: pick})

    assert undone.error is None, undone.error
    assert path.read_text() == text


async def test_links_are_restored_as_links(harness):
    os.symlink("kept.txt", harness.workspace / "link")
    run = await harness.run("return applyPatch(`*** Begin Patch\\n*** Delete File: link\\n*** End Patch`)")
    assert run.error is None, run.error
    assert not (harness.workspace / "link").is_symlink()

    await harness.undo(run.run_id)

    assert os.readlink(harness.workspace / "link") == "kept.txt"
    assert (harness.workspace / "kept.txt").read_text() == "before\n"


async def test_an_unknown_run_is_a_clear_error(harness):
    for name in ("r-nope", "../r-nope", ""):
        with pytest.raises(ToolError, match=r"there is no run .* in this workspace") as unknown:
            await harness.resume(name)
        assert unknown.value.code == "not_found"
    with pytest.raises(ToolError, match="there is no run or turn r-nope"):
        await harness.undo("r-nope")
    assert not list(run_files(harness.state)), "an undo that never began leaves no journal"


async def test_what_was_undone_already_is_told_and_can_be_undone_again_after_its_undo_was_undone(harness):
    run = await harness.run(SCRIPT)
    first = await harness.undo(run.run_id)

    with pytest.raises(ToolError, match=f"undone already, by {first.run_id}.*undo that") as caught:
        await harness.undo(run.run_id)
    back = await harness.undo(first.run_id)
    again = await harness.undo(run.run_id)

    assert caught.value.code == "already_undone"
    assert (back.error, again.error) == (None, None)
    with pytest.raises(ToolError, match=f"undone already, by {again.run_id}"):
        await harness.undo(run.run_id)


async def test_a_turn_is_undone_with_all_its_runs_in_one(harness):
    before = tree(harness.workspace)
    order = replace(_order(harness), turn_id="turn-1")
    for text in ("one", "two"):
        await harness._workshop.run(f"await writeFile('kept.txt', '{text}')", order, harness._emitter)

    undone = await harness.undo("turn-1")

    assert undone.error is None
    assert tree(harness.workspace) == before


def _order(harness: Harness) -> Order:
    return Order(limits=harness.limits, policy=harness.policy)


async def test_runs_that_overlapped_are_undone_in_the_order_of_their_changes(harness):
    path = harness.workspace / "kept.txt"
    states = [file_state(path, text) for text in ("before\n", "one", "two", "three")]
    changes = [Change(path=path, before=a, after=b) for a, b in pairwise(states)]
    outer = Effects(timed=((10, changes[0]), (30, changes[2])), others=())
    inner = Effects(timed=((20, changes[1]),), others=("shell",))

    joined = Effects.joined([outer, inner])

    assert joined.changes == tuple(changes) and joined.others == ("shell",)
    assert [(c.before.data, c.after.data) for c in joined.net] == [(b"before\n", b"three")]


def file_state(path: Path, text: str) -> State:
    return State(kind="file", digest=digest_of(text.encode()), mode=0o644, data=text.encode())


async def test_a_run_whose_task_still_works_or_that_was_interrupted_is_not_undone(harness):
    task = "tools.spawn.shell({command: 'sleep 60', scope: 'conversation'}); await writeFile('kept.txt', 'x'); return 1"
    run = await harness.run(task)
    cut = DiskJournal.create(harness.state, "r-cut")
    cut.write(RunRecord(**RUN, workspace=str(harness.workspace)))
    cut.close()

    with pytest.raises(ToolError, match="it or a task of it still runs") as going:
        await harness.undo(run.run_id)
    with pytest.raises(ToolError, match="toolscript resume r-cut") as interrupted:
        await harness.undo("r-cut")

    assert (going.value.code, interrupted.value.code) == ("not_ended", "interrupted")
    await harness.board.close()
    assert (await harness.undo(run.run_id)).error is None


RUN = {
    "run_id": "r-cut", "source": "1", "script_hash": "0", "origin": "file", "last_expression": False, "params": "{}",
    "context": "{}", "store": "{}", "seed": 0, "time_ms": 1, "limits": {}, "allowed_tools": (),
    "policy": "never", "digests": {},
}  # fmt: skip


async def test_a_later_run_that_changed_a_path_is_named(harness):
    run = await harness.run("await writeFile('kept.txt', 'first')")
    later = await harness.run("await writeFile('kept.txt', 'second')")

    undone = await harness.undo(run.run_id)

    (conflict,) = undone.error["details"]["conflicts"]
    assert conflict["changed_by"] == later.run_id
    assert f"kept.txt (by {later.run_id})" in undone.error["message"]


async def test_a_path_that_a_person_restored_already_needs_no_choice(harness):
    before = tree(harness.workspace)
    run = await harness.run(SCRIPT)
    (harness.workspace / "kept.txt").write_text("before\n")
    (harness.workspace / "kept.txt").chmod(0o640)

    undone = await harness.undo(run.run_id)

    assert undone.error is None
    assert tree(harness.workspace) == before


async def test_a_damaged_journal_does_not_keep_others_from_being_undone(harness):
    run = await harness.run(SCRIPT)
    run_path(harness.state, "r-damaged").write_bytes(b"nonsense\n")

    assert (await harness.undo(run.run_id)).error is None


@pytest.mark.parametrize("stop", ["before:2", "before:3", "after:3", "before:4", "before:5", "half"])
async def test_an_undo_whose_host_was_killed_is_resumed(harness, stop, monkeypatch):
    before = tree(harness.workspace)
    run = await harness.run(SCRIPT)
    after = tree(harness.workspace)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, stop)
        await harness.undo(run.run_id)
    (cut,) = [f for f in run_files(harness.state) if f.interrupted]

    with pytest.raises(ConfigError, match="the outcome of #1 is not in question; calls whose outcome is: none"):
        await harness.resume(cut.run_id, outcomes={1: Resolution(kind="again")})
    resumed = await harness.resume(cut.run_id)

    assert resumed.error is None, resumed.error
    assert tree(harness.workspace) == before
    assert not (harness.workspace / "deep").exists() and not (harness.workspace / "there").exists()
    assert (await harness.undo(cut.run_id)).error is None
    assert tree(harness.workspace) == after
    with pytest.raises(StillInterrupted, match="has ended"):
        await harness.resume(cut.run_id)


async def test_an_undo_that_lay_interrupted_while_a_file_changed_touches_nothing_more(harness, monkeypatch):
    run = await harness.run(SCRIPT)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, "half")
        await harness.undo(run.run_id)
    (cut,) = [f for f in run_files(harness.state) if f.interrupted]
    (harness.workspace / "kept.txt").write_text("theirs\n")
    left = tree(harness.workspace)

    resumed = await harness.resume(cut.run_id)

    assert resumed.error["code"] == "changed" and "kept.txt" in resumed.error["message"]
    assert tree(harness.workspace) == left


class Killed(BaseException):
    """Stands for the end of the host: nothing of ours catches it, and the journal is left as it is."""


def kill_at(patch: pytest.MonkeyPatch, stop: str) -> None:
    """Let the undo's host end before or after one of its records, or half-way through the files."""
    written, write = [], DiskJournal.write
    restored = DiskFiles.put

    def counted(self, record):
        place, _, number = stop.partition(":")
        written.append(record)
        if place == "before" and len(written) == int(number):
            self._file.close()
            raise Killed
        write(self, record)
        if place == "after" and len(written) == int(number):
            self._file.close()
            raise Killed

    def put(self, place, state):
        if place.path.name == "kept.txt":
            journals[0]._file.close()
            raise Killed
        return restored(self, place, state)

    journals: list[DiskJournal] = []
    create = DiskJournal.create.__func__
    patch.setattr(
        DiskJournal, "create", classmethod(lambda c, *a, **k: journals.append(create(c, *a, **k)) or journals[0])
    )
    patch.setattr(DiskJournal, "write", counted)
    if stop == "half":
        patch.setattr(DiskJournal, "write", write)
        patch.setattr(DiskFiles, "put", put)
        patch.setattr(sys.modules["toolscript.files.undo"], "_roll_back", lambda files, done: None)


async def test_a_run_is_undone_once_and_whoever_wants_it_twice_is_told_what_to_undo(harness):
    before = tree(harness.workspace)
    run = await harness.run(SCRIPT)
    after = tree(harness.workspace)
    undo = await harness.undo(run.run_id)

    with pytest.raises(ToolError, match=f"{run.run_id} was undone already, by {undo.run_id}") as refused:
        await harness.undo(run.run_id)
    assert refused.value.code == "already_undone"
    assert tree(harness.workspace) == before

    back = await harness.undo(undo.run_id)
    assert tree(harness.workspace) == after
    with pytest.raises(ToolError, match=back.run_id):
        await harness.undo(undo.run_id)
    assert (await harness.undo(run.run_id)).error is None
    assert tree(harness.workspace) == before


async def test_an_undo_that_touched_nothing_does_not_count_as_one(harness):
    run = await harness.run(SCRIPT)
    (harness.workspace / "kept.txt").write_text("mine\n")
    assert (await harness.undo(run.run_id)).error["code"] == "changed"

    again = await harness.undo(run.run_id)

    assert again.error["code"] == "changed"


async def test_nothing_is_undone_while_a_task_of_the_run_still_runs(harness):
    source = """
        await writeFile('kept.txt', 'changed');
        return tools.spawn.exec({command: ['sleep', '60'], scope: 'conversation'}).id"""
    run = await harness.run(source)

    with pytest.raises(ToolError, match="a task of it still runs") as refused:
        await harness.undo(run.run_id)
    assert refused.value.code == "not_ended"
    assert (harness.workspace / "kept.txt").read_text() == "changed"

    await harness.run("await tools.spawn.cancel(params)", params=run.result)
    assert (await harness.undo(run.run_id)).error is None
    assert (harness.workspace / "kept.txt").read_text() == "before\n"


async def test_an_undo_of_what_changed_no_file_says_so_and_records_nothing(harness):
    quiet = await harness.run("return (await shell('echo x > made.txt')).exitCode")
    before = run_files(harness.state)

    undo = await harness.undo(quiet.run_id)

    assert (undo.status, undo.run_id) == (RunStatus.COMPLETED, "")
    assert undo.warnings == (f"there is nothing to take back: {quiet.run_id} changed no file",)
    assert undo.result["restored"] == [] and "made.txt" in undo.result["not_undone"][0]
    assert run_files(harness.state) == before


async def test_a_list_of_changes_reads_the_beginnings_and_ends_of_journals_only(harness, monkeypatch):
    first = await harness.run("await writeFile('a.txt', '1')")
    for _ in range(5):
        await harness.run("return await readFile('kept.txt')")
    second = await harness.run("await writeFile('a.txt', '2'); return 'x'.repeat(100000)")
    undo = await harness.undo(second.run_id)
    read: list[str] = []

    def counted(path, **more):
        for record in records(path, **more):
            read.append(record.kind)
            yield record

    monkeypatch.setattr(history, "records", counted)
    past = history.past_runs(harness.state)
    found = history.changing(past, 20)

    assert [entry.run.run_id for entry in found] == [first.run_id, second.run_id, undo.run_id]
    assert [entry.run.run_id for entry in history.changing(past, 2)] == [second.run_id, undo.run_id]
    assert history.undone_by(past) == {second.run_id: undo.run_id}
    assert read == ["run"] * 8


async def test_at_most_so_many_journals_without_an_end_are_looked_through(harness, monkeypatch):
    for _ in range(4):
        await harness.run("await writeFile('a.txt', String(Math.random()))")
    for file in run_files(harness.state):
        *kept, _ = file.path.read_bytes().splitlines(keepends=True)
        file.path.write_bytes(b"".join(kept))
    monkeypatch.setattr(history, "SEARCHED", 3)

    assert len(history.changing(history.past_runs(harness.state), 20)) == 3
