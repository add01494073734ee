"""Attacks on what is kept: of one session on another, and of a full disk on what had happened (STA-01, FLT-11)."""

from __future__ import annotations

import errno

import pytest

from toolscript.harness import Harness
from toolscript.journal.chain import ChainedFile
from toolscript.journal.reader import records
from toolscript.journal.records import BeginRecord
from toolscript.journal.state import run_path

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return tmp_path


async def test_nothing_of_one_session_is_seen_by_another(state):
    leave = "try { globalThis.secret = 'A' } catch {} store.set('k', 'A'); return 1"
    look = "return [typeof globalThis.secret, store.get('k') ?? null]"
    async with Harness(state / "one") as one, Harness(state / "two") as two:
        await one.run(leave)
        same, other = await one.run(look), await two.run(look)

    assert same.result == ["undefined", "A"], "a store lives as long as its conversation, a realm as long as its run"
    assert other.result == ["undefined", None]


@pytest.mark.parametrize("lines", range(1, 5))
async def test_on_a_full_disk_nothing_happens_unrecorded_and_nothing_recorded_is_lost(state, monkeypatch, lines):
    write, written = ChainedFile._write_all, 0

    def full(self, data):
        nonlocal written
        written += 1
        if written > lines:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, data)

    async with Harness(state / "one") as harness:
        with monkeypatch.context() as patch:
            patch.setattr(ChainedFile, "_write_all", full)
            run = await harness.run("await writeFile('a.txt', 'a'); await shell('echo x >> b.txt'); return 1")
        kept = list(records(run_path(harness.state, run.run_id)))
        again = await harness.run("return 2")

    assert run.error is not None and run.error["code"] == "journal_error"
    assert "No space left" in run.error["message"]
    begun = [r.number for r in kept if isinstance(r, BeginRecord)]
    assert (state / "one" / "a.txt").exists() == (1 in begun)
    assert not (state / "one" / "b.txt").exists() or 2 in begun
    assert again.result == 2
