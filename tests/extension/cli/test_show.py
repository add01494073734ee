"""What a terminal shows of events."""

from __future__ import annotations

import io

from rich.console import Console

from toolscript.events import Emitter, OperationFinished, OperationStarted, OperationStatus
from toolscript_extension.cli.show import Terminal


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
