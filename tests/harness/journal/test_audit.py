from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness.journal.samples import call, end, every_kind, output, path_in, run, run_end

from toolscript.errors import JournalDamaged
from toolscript.journal.audit import (
    ApprovalSeen,
    CallSeen,
    EndSeen,
    Entry,
    ScriptSeen,
    audit,
    entry_json,
    entry_text,
    trimmed_stack,
)
from toolscript.journal.chain import ChainedFile
from toolscript.journal.codec import fields_of
from toolscript.journal.records import AskRecord, DecisionRecord, LogRecord, Record
from toolscript.journal.writer import DiskJournal


def audited(directory: Path, *what: Record) -> list[Entry]:
    journal = DiskJournal(path_in(directory))
    for record in what:
        journal.write(record)
    journal.close()
    return list(audit(path_in(directory)))


def asked(number: int, approval_id: str = "a", created: float = 100.0) -> AskRecord:
    return AskRecord(
        number=number, approval_id=approval_id, digest="d" * 64, request={"created": created}, expires=900.0
    )


def test_the_view_says_who_ran_what_who_allowed_it_how_long_it_took_and_how_it_ended(tmp_path: Path) -> None:
    entries = audited(
        tmp_path,
        run(),
        call(1, "exec", time_ms=1_010),
        call(2, "readFile", time_ms=1_010),
        asked(1),
        DecisionRecord(approval_id="a", decision="allow", by="widget", reason="fine", time=103.5),
        end(2, time_ms=1_020),
        LogRecord(level="log", text="x"),
        end(1, time_ms=4_510, changes=({"path": "a"},)),
        run_end(time_ms=4_600),
    )
    assert entries == [
        ScriptSeen(
            run_id="run-1", script_hash="cafe", origin="cell", policy="on-request",
            allowed_tools=("exec",), time_ms=1_000,
        ),
        ApprovalSeen(
            number=1, tool="exec", decision="allow", by="widget", reason="fine", time=103.5, waited=3.5, digest="d" * 64
        ),
        CallSeen(
            number=2, tool="readFile", line=1, status="succeeded", duration_ms=10, changed=0, began_ms=1_010,
            arguments='{"command":["ls"]}', exit_code=0,
        ),
        CallSeen(
            number=1, tool="exec", line=1, status="succeeded", duration_ms=3_500, changed=1, began_ms=1_010,
            arguments='{"command":["ls"]}', exit_code=0, waited_ms=3_500,
        ),
        EndSeen(
            status="completed", error=None, duration_ms=3_600, tools={"exec": 1, "readFile": 1},
            statuses={"succeeded": 2}, approvals={"allow": 1}, unfinished=0, logs=1,
        ),
    ]  # fmt: skip


def test_a_run_without_end_is_interrupted_and_its_open_calls_are_counted(tmp_path: Path) -> None:
    *_, open_call, last = audited(tmp_path, run(), call(1), call(2), end(1))
    assert isinstance(open_call, CallSeen) and isinstance(last, EndSeen)
    assert (open_call.number, open_call.status, open_call.duration_ms) == (2, "interrupted", None)
    assert (last.status, last.unfinished, last.statuses) == ("interrupted", 1, {"succeeded": 1})


def test_a_call_without_a_time_of_its_own_counts_from_the_settlement_before_it(tmp_path: Path) -> None:
    entries = audited(tmp_path, run(), call(1), end(1, time_ms=1_200), call(2), end(2, time_ms=1_500))
    assert [e.duration_ms for e in entries if isinstance(e, CallSeen)] == [200, 300]


def test_what_a_script_left_behind_has_a_line_too_and_so_have_its_tasks(tmp_path: Path) -> None:
    entries = audited(
        tmp_path, run(), call(1), call(2, spawn=True, time_ms=1_100), call(3, spawn=True), run_end(status="aborted"),
        end(2, time_ms=9_100, late=True),
    )  # fmt: skip
    seen = [(e.number, e.status, e.task, e.duration_ms) for e in entries if isinstance(e, CallSeen)]
    assert seen == [(1, "cancelled", False, None), (2, "succeeded", True, 8_000), (3, "cancelled", True, None)]
    assert isinstance(entries[-1], EndSeen) and entries[-1].unfinished == 2


def test_a_call_is_told_with_arguments_exit_code_error_and_the_time_it_waited(tmp_path: Path) -> None:
    failed = end(2, ok=False, status="failed", value='{"code":"not_found","message":"no such file"}', time_ms=1_020)
    entries = audited(
        tmp_path, run(), call(1, time_ms=1_000, arguments="x" * 500), asked(1, created=1.0),
        DecisionRecord(approval_id="a", decision="allow", by="anna", time=3.0), call(2, "readFile", time_ms=1_010),
        failed, end(1, value='{"exitCode":3}', time_ms=3_500, changes=({}, {})), run_end(),
    )  # fmt: skip
    told = [entry_text(e) for e in entries]
    assert told[1] == "#1 exec: allow by anna after 2.0 s at 1970-01-01 00:00:03Z"
    assert told[2] == (
        '#2 readFile: failed in 10 ms at 1970-01-01 00:00:01Z · line 1 · not_found: no such file · {"command":["ls"]}'
    )
    assert told[3].startswith(
        "#1 exec: succeeded in 2500 ms, 2000 ms of them waiting for consent at 1970-01-01 00:00:01Z"
        " · exit 3 · 2 paths changed · line 1 · xxx"
    )
    assert told[3].endswith("x…") and len(told[3]) < 320


@pytest.mark.parametrize("time_ms", [-1, 10**30, 0])
def test_times_that_cannot_be_are_left_out(tmp_path: Path, time_ms: int) -> None:
    for entry in audited(tmp_path, run(time_ms=time_ms), call(time_ms=time_ms), end(time_ms=time_ms), run_end()):
        assert " at " not in entry_text(entry)


def test_timers_are_no_calls(tmp_path: Path) -> None:
    entries = audited(tmp_path, *every_kind()[:8], end(2), end(1))
    assert [e.number for e in entries if isinstance(e, CallSeen)] == [1]


def test_stacks_keep_the_frames_of_the_script_and_only_so_many(tmp_path: Path) -> None:
    stack = "\n".join(
        ["    at JSON.parse (native)", "    at helper (script.ts:3:5)", "    at call (<prelude>:1:1)"]
        + [f"    at deep (script.ts:{n}:1)" for n in range(20)]
    )
    error = {"name": "ScriptThrew", "code": "script_threw", "message": "boom", "details": {"stack": stack}}
    *_, last = audited(tmp_path, run(), run_end(status="failed", error=error))
    assert isinstance(last, EndSeen) and last.error is not None
    kept = last.error["stack"].split("\n")
    assert kept[0] == "    at helper (script.ts:3:5)"
    assert len(kept) == 11 and kept[-1] == "    … 11 more"
    assert "details" not in last.error
    assert trimmed_stack("") == ""


def test_every_entry_is_json_and_one_printable_line(tmp_path: Path) -> None:
    hostile = "x\x1b[2J\n\u202e"
    entries = audited(
        tmp_path, run(origin=hostile, policy=hostile), call(tool=hostile), asked(1),
        DecisionRecord(approval_id="a", decision="deny", by=hostile, reason=hostile, time=1.0),
        end(status=hostile), run_end(status="failed", error={"code": hostile, "message": hostile}),
    )  # fmt: skip
    assert {entry_json(e)["kind"] for e in entries} == {"script", "approval", "call", "end"}
    for entry in entries:
        assert json.loads(json.dumps(entry_json(entry)))
        assert entry_text(entry).isprintable()
        assert "<U+001B>" in entry_text(entry)


def test_large_bodies_are_named_by_their_size(tmp_path: Path) -> None:
    (first, *_) = audited(tmp_path, run(policy="p" * 20_000), run_end())
    assert isinstance(first, ScriptSeen)
    assert first.policy == "(19.5 KB)"


def test_damage_is_told_after_what_could_be_read(tmp_path: Path) -> None:
    audited(tmp_path, run(), call(), end(), run_end())
    path = path_in(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"prev":"', b'"prev":"0', 4))
    with pytest.raises(JournalDamaged):
        list(audit(path))


def refused(data: bytes) -> str:
    raise AssertionError(f"{len(data)} bytes should have been inline")


def hundred_megabytes(path: Path) -> None:
    """Write a valid journal of 100 MB straight through the chain: what a hostile or endless run leaves behind."""
    chain = ChainedFile(path, keep=refused)
    chain.append("run", fields_of(run()))
    chunk = output("y" * 15_000)
    for number in range(6_600):
        for record in (call(number, f"tool{number}"), asked(number, f"approval-{number}"), chunk):
            chain.append(record.kind, fields_of(record))
    chain.close()


@pytest.mark.slow
def test_a_journal_of_100_mb_is_audited_in_the_memory_of_a_few_records(tmp_path: Path) -> None:
    path = path_in(tmp_path)
    hundred_megabytes(path)
    assert path.stat().st_size > 100_000_000
    tracemalloc.start()
    try:
        *_, last = audit(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(last, EndSeen)
    assert last.unfinished == 6_600
    assert len(last.tools) <= 513
    assert peak < 4 * 1024 * 1024


def edited(approval_id: str = "a") -> DecisionRecord:
    return DecisionRecord(approval_id=approval_id, decision="edit", by="shell", arguments={"path": "b"}, time=103.5)


def test_an_edited_call_is_shown_with_what_ran_beside_what_was_asked_for(tmp_path: Path) -> None:
    entries = audited(tmp_path, run(), call(1, "exec"), asked(1), edited(), end(1), run_end())
    (seen,) = (e for e in entries if isinstance(e, CallSeen))
    assert (seen.arguments, seen.asked_arguments) == ('{"path": "b"}', call(1, "exec").arguments)
    assert f"edited, asked for {call(1, 'exec').arguments}" in entry_text(seen)


def test_the_answer_to_a_tools_question_is_no_edit_of_its_call(tmp_path: Path) -> None:
    question = replace(asked(1), request={"created": 100.0, "extra": {"question": {"message": "?"}}})
    entries = audited(tmp_path, run(), call(1, "exec"), question, edited(), end(1), run_end())
    (seen,) = (e for e in entries if isinstance(e, CallSeen))
    assert (seen.arguments, seen.asked_arguments) == (call(1, "exec").arguments, "")
