"""Records of one small run, as the road of a call would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolscript.journal.records import (
    AskRecord,
    BeginRecord,
    CallRecord,
    DecisionRecord,
    EndRecord,
    LogRecord,
    OutputRecord,
    Record,
    RunEndRecord,
    RunRecord,
    StartedRecord,
    TimerRecord,
)


def run(**more: Any) -> RunRecord:
    facts: dict[str, Any] = {
        "run_id": "run-1",
        "source": "return await tools.exec({command: ['ls']})",
        "script_hash": "cafe",
        "origin": "cell",
        "last_expression": False,
        "params": "{}",
        "context": "{}",
        "store": "{}",
        "seed": 7,
        "time_ms": 1_000,
        "limits": {"calls": 32.0},
        "allowed_tools": ("exec",),
        "workspace": "/w",
        "policy": "on-request",
        "digests": {"engine": "e", "facade": "f", "tools": "t"},
    }
    return RunRecord(**facts | more)


def call(number: int = 1, tool: str = "exec", **more: Any) -> CallRecord:
    return CallRecord(**{"number": number, "tool": tool, "arguments": '{"command":["ls"]}', "line": 1} | more)


def end(number: int = 1, **more: Any) -> EndRecord:
    facts = {"number": number, "ok": True, "value": '{"exitCode":0}', "time_ms": 1_250, "status": "succeeded"}
    return EndRecord(**facts | more)


def output(text: str, number: int = 1, stream: str = "stdout") -> OutputRecord:
    return OutputRecord(number=number, stream=stream, text=text)


def run_end(**more: Any) -> RunEndRecord:
    return RunEndRecord(**{"status": "completed", "result": "0", "error": None} | more)


def every_kind() -> list[Record]:
    """One of each record, with awkward values where there is room for them."""
    return [
        run(params='{"q":"\\u2028"}'),
        call(time_ms=1_010),
        AskRecord(number=1, approval_id="a", digest="d" * 64, request={"tool": "exec", "created": 5.0}, expires=9.5),
        DecisionRecord(approval_id="a", decision="edit", by="widget", arguments={"n": 2**70}, time=7.5),
        BeginRecord(number=1, effect="execute", paths=({"path": "/w/a", "before": None, "after": "0" * 64},)),
        StartedRecord(number=1, pid=4711, start_time=99, boot_id="b"),
        output("half a character \ud83d"),
        TimerRecord(number=2, due=1_700_000_000.25),
        LogRecord(level="warn", text="tab\tand ⟦secret:NONE⟧ as text"),
        end(changes=({"path": "/w/a", "before": {"kind": "file", "mode": 420}},)),
        run_end(store={"k": "1", "gone": None}, warnings=("w",)),
    ]


def path_in(directory: Path) -> Path:
    return directory / "run-1.jsonl"
