"""What scripts, tapes and journals say reaches a terminal as text, whatever is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.extension.cli.test_recovery import recorded
from tests.extension.cli.test_run import toolscript
from tests.harness.recovery.test_forged import Line, chained, lines_of

SAYS = "console.log('A\\x1b]0;owned\\x07\\x1b[31m\\u202eB'); return {text: '\\u009b31m\\u202e\\x7f', large: 2 ** 70}"
ACTING = {"\x1b", "\x07", "\x7f", "\x9b", "\u202e"}


def said(done) -> str:
    return done.stdout + done.stderr


@pytest.mark.parametrize("options", [["replay"], ["replay", "--live"], ["audit"], ["audit", "--json"]])
def test_what_a_recorded_script_said_does_not_act_on_the_terminal(workspace, options):
    path = recorded(workspace, SAYS)
    done = toolscript(workspace, *options, str(path))

    assert done.returncode == 0, done.stderr
    assert ACTING.isdisjoint(said(done))
    assert options != ["replay"] or "A<U+001B>]0;owned<U+0007><U+001B>[31m<U+202E>B" in done.stderr


@pytest.mark.parametrize("options", [[], ["--json"], ["--events"]])
def test_a_result_is_the_same_json_with_nothing_in_it_that_acts(workspace, options):
    done = toolscript(workspace, "run", "-", *options, script=SAYS)
    told = json.loads(done.stdout.splitlines()[-1] if "--events" in options else done.stdout)

    assert ACTING.isdisjoint(said(done))
    assert (told["result"] if options else told) == {"text": "\x9b31m\u202e\x7f", "large": 2**70}


def forged(path: Path, name: str, **fields: object) -> list[Line]:
    lines = lines_of(path)[:-1]
    lines[0] |= {"run_id": name, **fields}
    path.with_name(f"{name}.jsonl").write_bytes(chained(lines))
    return lines


def test_no_message_about_a_forged_journal_acts_on_the_terminal(workspace):
    path = recorded(workspace, SAYS)
    forged(path, "r-there", workspace="/there\x1b[31m")
    forged(path, "r-other", source="return '\x1b[31m'")
    path.with_name("r-torn.jsonl").write_bytes(b'{"v":"\\u001b[31m","kind":"run","prev":""}\n{}\n')

    for command in (
        ["resume"], ["resume", "r-there"], ["resume", "r-other"], ["resume", "r-torn"], ["undo"], ["undo", "r-there"],
        ["undo", "\x1b[31m"], ["replay", str(path.with_name("r-other.jsonl"))], ["audit", "r-torn"],
    ):  # fmt: skip
        done = toolscript(workspace, *command)
        assert ACTING.isdisjoint(said(done)), command
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (["resume", "r-x", "--outcome", f"{'9' * 5000}=again"], 2, "--outcome takes NUMBER="),
        (["resume", "r-x", "--outcome", f"1={'[' * 5000}"], 2, "neither again, nor fail, nor JSON"),
    ],
)
def test_numbers_and_texts_that_nobody_means_are_one_sentence(workspace, command, code, says):
    done = toolscript(workspace, *command)

    assert done.returncode == code and says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tape_with_params_that_are_no_json_runs_nothing(workspace):
    path = recorded(workspace, "await writeFile('a.txt', 'a')")
    (workspace / "a.txt").unlink()
    forged(path, "r-params", params="{")

    done = toolscript(workspace, "replay", "--live", str(path.with_name("r-params.jsonl")))

    assert done.returncode == 2 and "its params are no JSON" in done.stderr
    assert not (workspace / "a.txt").exists()
