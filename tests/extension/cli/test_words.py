"""What the command line says where somebody's words do not fit."""

from __future__ import annotations

import pytest

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
