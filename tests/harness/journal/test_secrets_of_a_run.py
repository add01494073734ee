"""Canaries: what a run knows of the environment's secrets is nowhere in what is kept of it (cases SEC-03, SEC-04)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toolscript.events import RunStatus
from toolscript.harness import Harness
from toolscript.journal.audit import audit, entry_text
from toolscript.journal.reader import records
from toolscript.journal.state import run_files, state_dir

pytestmark = pytest.mark.anyio
CANARY = 'canary-"7f3a-\u00fc-91'


async def test_a_secret_that_passes_through_a_run_is_in_no_file_of_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_API_KEY", CANARY)
    workspace = tmp_path / "work"
    workspace.mkdir()
    (workspace / "config").write_text(f"key: {CANARY}\n" * 2_000)
    source = f"""
        // {CANARY}
        const text = await readFile('config');
        console.log(text.split('\\n')[0]);
        store.set('k', params.k);
        await writeFile('copy', text);
        try {{ await readFile(params.k) }} catch (e) {{ console.warn(e.message) }}
        return {{text, [params.k]: 1}};"""
    async with Harness(workspace) as harness:
        run = await harness.run(source, params={"k": CANARY})
    assert run.status is RunStatus.COMPLETED, run.error
    state = state_dir(workspace)
    spellings = {CANARY, json.dumps(CANARY)[1:-1], json.dumps(CANARY, ensure_ascii=False)[1:-1], "canary-"}
    kept = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    assert kept
    for path, content in kept.items():
        assert not [s for s in spellings if s.encode() in content], path
    (journal,) = run_files(state)
    assert any("⟦secret:SERVICE_API_KEY" in str(record) for record in records(journal.path))
    assert all("canary-" not in entry_text(entry) for entry in audit(journal.path))
