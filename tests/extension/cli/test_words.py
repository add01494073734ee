"""What the command line says where somebody's words do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.extension.cli.test_run import toolscript

from toolscript.approvals.plan import PlanRow
from toolscript.errors import ConfigError
from toolscript_extension.cli import approvals, given, plan


def test_a_param_that_is_no_json_is_shown_as_it_has_to_be_typed() -> None:
    with pytest.raises(ConfigError, match=r"""--param 'path="shop"'$"""):
        given.params_of(["path=shop"])


@pytest.mark.parametrize(("assumes", "said"), [((1,), "if #1 succeeds;"), ((1, 2), "if #1 and #2 succeed;")])
def test_a_row_that_rests_on_others_says_so_in_a_sentence(assumes: tuple[int, ...], said: str) -> None:
    row = PlanRow(number=3, tool="shell", arguments={}, effect="execute", assumes=assumes)
    assert any(note.startswith(said) for note in plan.notes(row))


@pytest.mark.parametrize("words", [{}, {"allow": True, "deny": True}, {"allow": True, "reason": "x"}])
def test_an_answer_is_one_of_two_and_a_reason_goes_with_a_denial(words: dict[str, object]) -> None:
    with pytest.raises(approvals.typer.BadParameter):
        approvals.command("a-1", **words)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 1\n", "1 + 1"),
        ("const found = await listDir('.');\nfound.length;\n// so many\n", "found.length"),
        ("const a = [1]\na[0] === 1 && 'one'", "a[0] === 1 && 'one'"),
        ("const a = 1; const b = 2\n[a, b]", "[a, b]"),
        ("`done`", "`done`"),
    ],
)
def test_a_script_that_ends_in_a_plain_value_and_returns_nothing_is_seen(source: str, value: str) -> None:
    assert given.idle_value(source) == value


@pytest.mark.parametrize(
    "source",
    [
        "", "// 1", "console.log(1)", "await done", "let x", "x = 1", "i++", "count--", "x => x", "debugger;", "break",
        "'use strict'", "for (const a of b) {\n  a\n}", "const text = `\n1 + 1\n`", "const x =\n  1 + 1", "f(1,\n2\n)",
        "function f() { return 1 }\nf", "delete a.b", "{ a: 1 }", "const a = `\n1 + 1", "type A = 1", "a[f()]", "*/ 1",
        "console.log(\n1\n);", "x" * 121,
    ],
)  # fmt: skip
def test_a_script_that_may_mean_to_return_nothing_is_left_alone(source: str) -> None:
    assert given.idle_value(source) is None


def test_a_script_whose_value_is_lost_hears_of_return_on_stderr_alone(tmp_path: Path) -> None:
    lost, read, meant = (
        toolscript(tmp_path, "run", "-", *options, script=script)
        for options, script in (([], "1 + 1"), (["--json"], "1 + 1"), ([], "console.log(1)"))
    )

    assert (lost.returncode, lost.stdout) == (0, "")
    assert lost.stderr.endswith("\nthe script ends in a value that it does not return; for a result: return 1 + 1\n")
    assert "return" not in read.stderr and "return" not in meant.stderr
