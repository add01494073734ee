"""Files that lie ready for runs: named when they are needed, gone when their harness is."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from toolscript.harness import Harness
from toolscript.journal.private import CREATE
from toolscript.journal.spares import PREFIX, Spares
from toolscript.journal.state import run_files, run_name, run_path, runs_dir, sweep
from toolscript.journal.writer import DiskJournal


def _waiting(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.name.startswith(PREFIX)]


async def _filled(spares: Spares, directory: Path) -> None:
    assert spares.take("r-first") is None
    with anyio.fail_after(10):
        while not _waiting(directory):
            await anyio.sleep(0.005)


@pytest.mark.anyio
async def test_a_run_takes_a_file_that_lay_ready_locked_and_what_is_left_goes_at_the_end(tmp_path: Path):
    spares, directory = Spares(runs_dir(tmp_path), run_name), runs_dir(tmp_path)
    async with anyio.create_task_group() as group:
        group.start_soon(spares.keep)
        await _filled(spares, directory)
        inode = _waiting(directory)[0].stat().st_ino

        journal = DiskJournal.create(tmp_path, "r-1", spares=spares)

        assert run_path(tmp_path, "r-1").stat().st_ino == inode
        (file,) = run_files(tmp_path)
        assert (file.run_id, file.live) == ("r-1", True)
        journal.close()
        group.cancel_scope.cancel()
    assert _waiting(directory) == []


@pytest.mark.anyio
async def test_a_ready_file_never_takes_the_name_of_a_run_that_is_there(tmp_path: Path):
    spares, directory = Spares(runs_dir(tmp_path), run_name), runs_dir(tmp_path)
    run_path(tmp_path, "r-1").write_text("old")
    async with anyio.create_task_group() as group:
        group.start_soon(spares.keep)
        await _filled(spares, directory)

        assert spares.take("r-1") is None

        group.cancel_scope.cancel()
    assert run_path(tmp_path, "r-1").read_text() == "old"


def test_what_a_dead_process_had_laid_ready_is_swept_and_what_a_live_one_holds_is_not(tmp_path: Path):
    import fcntl

    dead, held = (runs_dir(tmp_path) / f"{PREFIX}{name}" for name in ("dead", "held"))
    dead.touch()
    fd = os.open(held, CREATE, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)

    sweep(tmp_path)

    assert _waiting(runs_dir(tmp_path)) == [held]
    os.close(fd)


@pytest.mark.anyio
async def test_a_harness_leaves_no_ready_file_behind(tmp_path: Path):
    async with Harness(tmp_path) as harness:
        for _ in range(5):
            await harness.run("return 1")
        directory = runs_dir(harness.state)

    assert _waiting(directory) == []
    assert len(run_files(harness.state)) == 5
