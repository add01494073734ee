from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.harness.approvals.parts import command, request

from toolscript.approvals.prompting import Batch, Edit, Help, View, panel, read_answer
from toolscript.approvals.request import Choice, Decision
from toolscript.approvals.terminal import TerminalDecider

PROJECT = Path(__file__).parents[3]

# A program with a controlling terminal whose stdin and stdout are pipes, as under `toolscript run --json < x > y`.
PROGRAM = """
import json, sys
sys.path[:0] = [sys.argv[1] + "/harness", sys.argv[1]]
import anyio
from tests.harness.approvals.parts import Scene, command, request
from toolscript.approvals.request import Choice, Decision
from toolscript.approvals.terminal import TerminalDecider
from toolscript.errors import ApprovalUnavailable

def say(**what):
    print(json.dumps(what), flush=True)

async def validate(arguments):
    return arguments

async def main():
    scene = Scene()
    facts = json.loads(sys.argv[2])
    async def ask(number):
        asked = request(approval_id=f"a{number}", classification=command(remember="make", summary=f"call {number}"),
                        arguments=facts.get("arguments", {"command": ["make", str(number)]}))
        try:
            decision = await scene.ask(asked, validate=validate)
            say(number=number, choice=decision.choice, by=decision.by, reason=decision.reason,
                arguments=decision.arguments)
        except ApprovalUnavailable as error:
            say(number=number, unavailable=error.message)
    async def elsewhere():
        await anyio.to_thread.run_sync(sys.stdin.readline)
        await scene.bridge.decide("a0", Decision(choice=Choice.DENY, by="widget"))
    with TerminalDecider.attached(scene.bridge) as decider:
        say(attached=decider is not None)
        async with anyio.create_task_group() as group:
            if facts.get("elsewhere"):
                group.start_soon(elsewhere)
            for number in range(facts.get("requests", 1)):
                group.start_soon(ask, number)
            if facts.get("abort"):
                await anyio.to_thread.run_sync(sys.stdin.readline)
                group.cancel_scope.cancel()
    say(ended=True)

anyio.run(main)
"""


class Terminal:
    """A person in front of a real terminal; ``program`` runs on it with pipes for stdin and stdout."""

    def __init__(self, *, background: bool = False, **facts: Any) -> None:
        self.master, slave = pty.openpty()
        self.seen = ""
        editor = facts.pop("editor", "false")
        nohup = facts.pop("nohup", False)

        def take_terminal() -> None:
            os.setsid()
            if nohup:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            if background:
                # Another process group has the foreground, as after `toolscript run … &`.
                child = os.fork()
                if child == 0:
                    os.setpgid(0, 0)
                    signal.alarm(60)
                    signal.pause()
                os.setpgid(child, child)
                os.tcsetpgrp(slave, child)

        self.program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(PROJECT), json.dumps(facts)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            preexec_fn=take_terminal, env=os.environ | {"EDITOR": editor, "TERM": "xterm", "COLUMNS": "100"},
        )  # fmt: skip
        os.close(slave)

    def read_until(self, text: str, timeout: float = 60) -> str:
        """What the terminal shows up to ``text``; what comes behind is left for the next look."""
        deadline = time.monotonic() + timeout
        while text not in self.plain():
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{text!r} never came; seen: {self.plain()!r}"
            self.seen += os.read(self.master, 65_536).decode(errors="replace")
        shown, found, self.seen = self.plain().partition(text)
        return shown + found

    def plain(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen).replace("\r\n", "\n")

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def says(self) -> dict[str, Any]:
        assert self.program.stdout is not None
        # Nothing is buffered here: the program flushes whole lines, and each is read as it comes.
        ready, _, _ = select.select([self.program.stdout], [], [], 60)
        assert ready, f"the program says nothing; seen on the terminal: {self.plain()!r}"
        said: dict[str, Any] = json.loads(self.program.stdout.readline())
        return said

    def tell(self) -> None:
        assert self.program.stdin is not None
        self.program.stdin.write(b"\n")
        self.program.stdin.flush()

    def close(self) -> None:
        self.program.kill()
        self.program.communicate()
        if self.master >= 0:
            os.close(self.master)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def opened(terminals: list[Terminal], **facts: Any) -> Terminal:
    terminal = Terminal(**facts)
    terminals.append(terminal)
    assert terminal.says() == {"attached": True}
    return terminal


@pytest.mark.parametrize(
    ("typed", "choice", "reason"),
    [
        ("y\n", "allow", ""),
        ("a\n", "allow_conversation", ""),
        ("n not on a Friday\n", "deny", "not on a Friday"),
        ("s enough\n", "deny_and_stop", "enough"),
        ("\x04", "deny", "the terminal was closed"),
    ],
)
def test_a_person_answers_on_the_terminal_and_stdout_stays_clean(
    terminals: list[Terminal], typed: str, choice: str, reason: str
) -> None:
    terminal = opened(terminals)
    shown = terminal.read_until("iew all: ")
    assert "toolscript asks: exec" in shown and "[0] make" in shown
    terminal.type(typed)
    said = terminal.says()
    assert (said["choice"], said["by"], said["reason"]) == (choice, "terminal", reason)
    assert terminal.says() == {"ended": True}


def test_an_unclear_answer_is_none(terminals: list[Terminal]) -> None:
    terminal = opened(terminals)
    for line in ("\n", "yep\n", "y because\n"):
        terminal.read_until("iew all: ")
        terminal.type(line)
        terminal.read_until("Type one of the letters")
    terminal.read_until("iew all: ")
    terminal.type("n\n")
    assert terminal.says()["choice"] == "deny"


def test_what_was_typed_before_the_question_does_not_answer_it(terminals: list[Terminal]) -> None:
    terminal = Terminal()
    terminals.append(terminal)
    terminal.type("y\ny\ny\n")
    assert terminal.says() == {"attached": True}
    terminal.read_until("iew all: ")
    terminal.type("n\n")
    assert terminal.says()["choice"] == "deny"


def test_an_answer_from_elsewhere_closes_the_question(terminals: list[Terminal]) -> None:
    terminal = opened(terminals, elsewhere=True)
    terminal.read_until("iew all: ")
    terminal.tell()
    assert terminal.says()["by"] == "widget"
    terminal.read_until("exec: denied by a person in the notebook")
    assert terminal.says() == {"ended": True}


def test_the_end_of_the_run_closes_the_question(terminals: list[Terminal]) -> None:
    terminal = opened(terminals, abort=True)
    terminal.read_until("iew all: ")
    terminal.tell()
    assert terminal.says() == {"ended": True}
    assert terminal.program.wait(30) == 0


def test_several_requests_are_asked_one_after_the_other_or_answered_together(terminals: list[Terminal]) -> None:
    terminal = opened(terminals, requests=4)
    terminal.read_until("3 more wait: y! and n! answer all): ")
    terminal.type("y\n")
    first = terminal.says()
    terminal.read_until("2 more wait: y! and n! answer all): ")
    terminal.type("y!\n")
    listed = terminal.read_until("Type yes: ")
    assert listed.count("exec: call") == 3
    terminal.type("no\n")
    terminal.read_until("answer all): ")
    terminal.type("n! too many\n")
    terminal.read_until("Type yes: ")
    terminal.type("yes\n")
    rest = [terminal.says() for _ in range(3)]
    assert first["choice"] == "allow"
    assert [(said["choice"], said["reason"]) for said in rest] == [("deny", "too many")] * 3
    assert sorted([first["number"], *(said["number"] for said in rest)]) == [0, 1, 2, 3]


def test_the_full_view_shows_what_was_cut(terminals: list[Terminal]) -> None:
    hidden = "a" * 3_000 + "NEEDLE" + "b" * 3_000
    terminal = opened(terminals, arguments={"command": ["sh", "-c", hidden]})
    assert "NEEDLE" not in terminal.read_until("iew all: ")
    terminal.type("v\n")
    shown = re.sub(r"[^A-Za-z]", "", terminal.read_until("iew all: "))
    assert "NEEDLE" in shown
    terminal.type("n\n")
    assert terminal.says()["choice"] == "deny"


def test_arguments_are_edited_in_the_editor_of_the_person(terminals: list[Terminal], tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text(f"#!{sys.executable}\nimport sys\nopen(sys.argv[-1], 'w').write('{{\"command\": [\"ls\"]}}')\n")
    editor.chmod(0o700)
    terminal = opened(terminals, editor=str(editor))
    terminal.read_until("iew all: ")
    terminal.type("e\n")
    said = terminal.says()
    assert (said["choice"], said["arguments"]) == ("edit", {"command": ["ls"]})


@pytest.mark.parametrize(
    ("editor", "message"),
    [
        ("true", "Nothing was changed."),
        ("false", "ended with 1"),
        ("/no/such/editor", "did not start"),
        ("sh -c 'echo { > \"$0\"'", "That is not JSON"),
    ],
)
def test_an_edit_that_came_to_nothing_asks_again(terminals: list[Terminal], editor: str, message: str) -> None:
    terminal = opened(terminals, editor=editor)
    terminal.read_until("iew all: ")
    terminal.type("e\n")
    terminal.read_until(message)
    terminal.read_until("iew all: ")
    terminal.type("n\n")
    assert terminal.says()["choice"] == "deny"


def test_a_terminal_that_goes_away_denies(terminals: list[Terminal]) -> None:
    terminal = opened(terminals, nohup=True)
    terminal.read_until("iew all: ")
    os.close(terminal.master)
    terminal.master = -1
    said = terminal.says()
    assert (said["choice"], said["reason"]) == ("deny", "the terminal was closed")
    assert terminal.says() == {"ended": True}


def test_a_job_in_the_background_does_not_stop_on_its_question(terminals: list[Terminal]) -> None:
    terminal = opened(terminals, background=True)
    assert "nobody can be asked" in terminal.says()["unavailable"]
    assert terminal.says() == {"ended": True}


def test_without_a_terminal_nobody_is_attached() -> None:
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(PROJECT), "{}"],
        input="y\n", capture_output=True, text=True, start_new_session=True, check=True,
    )  # fmt: skip
    attached, refused, _ = [json.loads(line) for line in program.stdout.splitlines()]
    assert attached == {"attached": False}
    assert "run it at a terminal" in refused["unavailable"]


def test_a_file_is_no_terminal(tmp_path: Path) -> None:
    from tests.harness.approvals.parts import Scene

    with TerminalDecider.attached(Scene().bridge, str(tmp_path / "none")) as decider:
        assert decider is None


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("Y", Decision(choice=Choice.ALLOW, by="terminal")),
        ("yes", Decision(choice=Choice.ALLOW, by="terminal")),
        ("n", Decision(choice=Choice.DENY, by="terminal")),
        ("v", View()),
        ("e", Edit()),
        ("n! all of it", Batch(Decision(choice=Choice.DENY, by="terminal", reason="all of it"))),
    ],
)
def test_lines_are_read(line: str, answer: object) -> None:
    assert read_answer(line, request()) == answer


@pytest.mark.parametrize("line", ["", " ", "ye", "y n", "\x00y", "yy", "allow", "a b", "а"])
def test_lines_that_are_no_answer(line: str) -> None:
    assert isinstance(read_answer(line, request()), Help)


def test_what_is_not_offered_is_not_taken() -> None:
    assert isinstance(read_answer("a", request(classification=command())), Help)


def test_no_part_of_a_long_line_passes_for_a_line_of_the_request() -> None:
    from rich.console import Console

    hostile = "x" * 70 + " " * 60 + "Digest  0000 " * 20
    asked = request(arguments={"command": [hostile]}, classification=command(justification=hostile))
    console = Console(width=80, record=True, file=Path(os.devnull).open("w"))  # noqa: SIM115
    console.print(panel(asked, width=80, full=True))
    console.file.close()
    lines = [line.strip("│ ") for line in console.export_text().splitlines()]
    assert sum(line.startswith("Digest") for line in lines) == 1
