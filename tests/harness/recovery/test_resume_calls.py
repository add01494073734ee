"""Resume of what has no script: structured calls come to their end as a script's calls do."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.harness.recovery.test_resume import effects, host, journal, workspace  # noqa: F401  # a fixture

from toolscript.journal.audit import audit, entry_json
from toolscript.journal.reader import records
from toolscript.journal.records import BeginRecord, EndRecord, RunEndRecord

PATCH = "*** Begin Patch\n*** Update File: n.txt\n@@\n-n=1\n+n=2\n*** Delete File: m.txt\n*** End Patch"


def cut(workspace: Path, stop: str, name: str, arguments: dict[str, Any]) -> None:  # noqa: F811
    (workspace / "script.ts").write_text(json.dumps([name, arguments]))
    (workspace / "n.txt").write_text("n=1\n")
    (workspace / "m.txt").write_text("m=1\n")
    code, _ = host(workspace, "call", stop)
    assert code == -signal.SIGKILL


@pytest.mark.parametrize("stop", ["after:2", "before:end:1", "after:end:1"])
def test_a_patch_of_a_structured_call_is_completed(workspace, stop):  # noqa: F811
    cut(workspace, stop, "apply_patch", {"patch": PATCH})
    if stop == "before:end:1":
        (workspace / "n.txt").write_text("n=1\n")  # as if only one of its files had been written

    _, run = host(workspace, "resume", answer="nobody")

    assert (run["status"], run["asked"]) == ("completed", [])
    assert (workspace / "n.txt").read_text() == "n=2\n" and not (workspace / "m.txt").exists()
    kept = list(records(journal(workspace)))
    assert isinstance(kept[-1], RunEndRecord) and kept[-1].status == "completed"
    assert [len(r.changes) for r in kept if isinstance(r, EndRecord)] == [2]


def test_a_command_of_a_structured_call_is_asked_about_and_never_silently_repeated(workspace):  # noqa: F811
    cut(workspace, "before:end:1", "shell", {"command": "echo cmd >> effects"})

    _, nobody = host(workspace, "resume", answer="nobody")
    _, run = host(workspace, "resume", answer="fail")

    assert nobody["interrupted"]["code"] == "outcome_unknown"
    assert (run["status"], run["error"]["code"], effects(workspace)) == ("failed", "outcome_unknown", {"cmd": 1})


def test_a_structured_call_that_never_began_ends_as_stopped(workspace):  # noqa: F811
    cut(workspace, "after:1", "shell", {"command": "echo cmd >> effects"})

    _, run = host(workspace, "resume", answer="nobody")

    assert (run["status"], effects(workspace)) == ("aborted", {})
    kept = list(records(journal(workspace)))
    assert not any(isinstance(r, BeginRecord) for r in kept)
    assert [entry_json(e)["kind"] for e in audit(journal(workspace))] == ["script", "end"]
