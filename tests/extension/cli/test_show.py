"""What a terminal shows of events."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from tests.harness.journal.samples import call, end, path_in, run, run_end

from toolscript.events import (
    Emitter,
    OperationFinished,
    OperationStarted,
    OperationStatus,
    RunStatus,
    ScriptExecutionOutput,
)
from toolscript.journal.writer import DiskJournal
from toolscript_extension.cli.journals import audit_command
from toolscript_extension.cli.show import Terminal, describe_error


def shown(*, ran_with: object = None) -> str:
    out = io.StringIO()
    terminal, emitter = Terminal(Console(file=out, width=200)), Emitter()
    terminal(emitter.emit(OperationStarted, operation=1, tool="shell", arguments={"command": "rm -f a"}))
    terminal(
        emitter.emit(
            OperationFinished, operation=1, tool="shell", status=OperationStatus.SUCCEEDED, ran_with=ran_with,
        )
    )  # fmt: skip
    return out.getvalue()


def test_an_edited_call_shows_what_ran_and_what_the_script_asked_for() -> None:
    assert shown(ran_with={"command": "rm -f b"}) == (
        '  ✓ shell {"command": "rm -f b"}  edited, the script asked for {"command": "rm -f a"}  0 ms\n'
    )


def test_a_call_that_nobody_edited_shows_its_arguments_once() -> None:
    assert shown() == '  ✓ shell {"command": "rm -f a"}  0 ms\n'


def test_what_an_error_is_is_said_once() -> None:
    error = {"code": "syntax_error", "message": "syntax error: unexpected ';'", "line": 1, "column": 9}
    assert describe_error(error) == "syntax_error at line 1, column 9: unexpected ';'"


def test_what_a_failed_call_said_is_not_said_again_by_the_script_that_failed_of_it() -> None:
    out = io.StringIO()
    terminal, emitter = Terminal(Console(file=out, width=400)), Emitter()
    refused = "exec needs consent, and nobody can be asked here. To allow it: run it at a terminal"
    terminal(emitter.emit(OperationStarted, operation=1, tool="exec", arguments={}))
    error = {"code": "approval_unavailable", "message": refused}
    terminal(emitter.emit(OperationFinished, operation=1, tool="exec", status=OperationStatus.DENIED, error=error))
    threw = {"code": "script_threw", "message": f"Error: no luck: {refused}", "line": 3, "column": 1}
    terminal(emitter.emit(ScriptExecutionOutput, status=RunStatus.FAILED, script_hash="cafe", error=threw))

    assert out.getvalue().count("nobody can be asked") == 1
    assert "script_threw at line 3, column 1: Error: no luck: (as exec says above)" in out.getvalue()


def test_an_audit_for_people_lists_calls_by_their_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = DiskJournal(path_in(tmp_path))
    for record in (run(), call(1, "exec"), call(2, "readFile"), end(2), end(1), run_end()):
        journal.write(record)
    journal.close()

    audit_command(str(path_in(tmp_path)), tmp_path)

    assert [line[:2] for line in capsys.readouterr().out.splitlines()] == ["ru", "#1", "#2", "co"]
