from __future__ import annotations

import pytest
from tests.tools.shell.tables import table

from toolscript_tools.shell.classify import dangerous, heredoc_prefix, known_safe, shell_type, split_script


@pytest.mark.parametrize("argv", table("known_safe", "safe"))
def test_commands_that_only_read_are_known_to_be_safe(argv: list[str]) -> None:
    assert known_safe(argv)


@pytest.mark.parametrize("argv", table("known_safe", "unsafe"))
def test_other_commands_are_not_known_to_be_safe(argv: list[str]) -> None:
    assert not known_safe(argv)


STRICTER = [
    ["bash", "-lc", "find . {-name,x,-delete}"],
    ["bash", "-c", "find . -de\\lete"],
    ["bash", "-c", "find . -name *.py"],
    ["bash", "-c", 'find . "-de\\\nlete"'],
    ["bash", "-c", "git log --out\\put=f"],
    ["bash", "-c", "git diff --outpu?=f"],
    ["bash", "-c", "base64 -[o]x"],
    ["rg", "-nz", "x"],
    ["rg", "-uuz", "x"],
    ["sed", "-n", "1p", "-fscript"],
    ["sed", "-n", "1p", "-es/x/id/e"],
    ["sed", "-n", "1p", "--in-place"],
    ["uniq", "in", "out"],
    ["uniq", "--", "a", "-f"],
    ["uniq", "-f1", "in", "out"],
    ["uniq", "--skip-fields", "2", "in", "out"],
    ["uniq", "-w", "3", "-", "out"],
    ["bash", "-c", "uniq *"],
    ["bash", "-c", "uniq a{,.out}"],
    ["base64", "--outp=f", "x"],
    ["git", "diff", "--outp=f"],
    ["git", "diff", "--ext-d"],
    ["git", "show", "--textc"],
    ["git", "log", "--help"],
    ["git", "--attr-source", "status", "commit", "-m", "x"],
    ["git", "--bare", "log"],
    ["bash", "-c", "ls\u00a0x"],
    ["bash", "-c", "ls;\x0bid"],
    ["bash", "-c", "ls\r"],
    ["zsh", "-c", "ls *(e:id:)"],
    ["base64", "-do", "out"],
    ["bash", "-c", "ls" + " && ls" * 60_000],
    [],
    [""],
]


@pytest.mark.parametrize("argv", STRICTER)
def test_what_a_shell_or_an_option_could_turn_into_writing_is_not_known_to_be_safe(argv: list[str]) -> None:
    assert not known_safe(argv)


@pytest.mark.parametrize(
    "argv",
    [["rg", "-ez", "x"], ["rg", "-n", "--", "x"], ["sed", "-n", "1p", "-"], ["uniq", "-c", "in"], ["uniq", "-f", "1", "in"],
     ["uniq", "--skip-f", "1", "in"], ["uniq", "-cf1", "--", "in"], ["git", "diff", "--text"], ["git", "--no-pager", "log"],
     ["bash", "-c", "echo 'a\u00a0b\r' \"\\t\""],
     ["bash", "-c", "find . -name '*.py'"], ["bash", "-c", "echo 'a\\b' *"], ["git", "-P", "log"]],
)  # fmt: skip
def test_the_stricter_rules_leave_plain_reading_alone(argv: list[str]) -> None:
    assert known_safe(argv)


@pytest.mark.parametrize("argv", table("dangerous", "forced"))
def test_forced_removal_is_found_wherever_it_is_spelt_out(argv: list[str]) -> None:
    assert dangerous(argv) == "forced_rm"


@pytest.mark.parametrize("argv", table("dangerous", "not_forced"))
def test_nothing_else_is_called_forced_removal(argv: list[str]) -> None:
    assert dangerous(argv) is None


def test_a_line_nested_beyond_all_sense_ends_the_search() -> None:
    line = "rm -rf x"
    for _ in range(12):
        line = "bash -c " + "'" + line.replace("'", "'\\''") + "'"
    assert dangerous(["bash", "-c", line]) is None
    assert dangerous(["sudo"] * 5_000 + ["rm", "-f", "x"]) is None


@pytest.mark.parametrize(("script", "commands"), table("scripts", "split"))
def test_a_script_of_plain_commands_is_split_into_their_words(script: str, commands: list[list[str]]) -> None:
    assert split_script(script) == commands


@pytest.mark.parametrize("script", table("scripts", "unsplittable"))
def test_a_script_with_anything_else_is_not_split(script: str) -> None:
    assert split_script(script) is None


@pytest.mark.parametrize(("argv", "prefix"), table("scripts", "fed_by_here_document"))
def test_the_command_that_a_here_document_feeds_is_found(argv: list[str], prefix: list[str] | None) -> None:
    assert heredoc_prefix(argv) == prefix


@pytest.mark.parametrize(("program", "kind"), table("scripts", "shells"))
def test_shells_are_known_by_name_and_path(program: str, kind: str) -> None:
    assert shell_type(program) == kind


@pytest.mark.parametrize("script", ["(" * 50_000, "'" * 9_999, "$(" * 5_000, "a" * 200_000, "\udc80\0", "{" * 20_000])
def test_hostile_scripts_are_neither_safe_nor_a_burden(script: str) -> None:
    assert not known_safe(["bash", "-c", script])
    assert dangerous(["bash", "-c", script]) is None
