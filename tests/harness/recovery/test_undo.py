"""Undo: every path back to what it was before a run, or nothing touched and a choice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolscript.errors import ToolError
from toolscript.harness import Harness

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
async def harness(tmp_path: Path):
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
    with pytest.raises(ToolError, match="there is no run r-nope"):
        await harness.undo("r-nope")


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
