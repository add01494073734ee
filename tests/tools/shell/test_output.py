from __future__ import annotations

import time
from typing import Any

import pytest
from tests.tools.shell.tables import table

from toolscript_tools.shell.denial import denied_by_sandbox
from toolscript_tools.shell.environment import EnvironmentPolicy, command_environment
from toolscript_tools.shell.truncation import Budget, HeadTail, formatted, shortened, truncated


@pytest.mark.parametrize(("text", "budget", "form", "expected"), table("output", "cut"))
def test_text_for_a_model_is_cut_in_the_middle(text: str, budget: dict[str, int], form: str, expected: str) -> None:
    cut = formatted if form == "formatted" else truncated
    assert cut(text, Budget(**budget)) == expected


@pytest.mark.parametrize(("limit", "chunks", "retained", "omitted", "marked"), table("output", "head_and_tail"))
def test_head_and_tail_of_a_stream_are_kept(
    limit: int, chunks: list[str], retained: str, omitted: int, marked: str
) -> None:
    stream = HeadTail(limit)
    for chunk in chunks:
        stream.add(chunk.encode())
    assert (stream.retained().decode(), stream.omitted, stream.marked().decode()) == (retained, omitted, marked)


def test_a_long_stream_takes_bounded_memory_whatever_its_pieces() -> None:
    stream = HeadTail(100)
    for number in range(100_000):
        stream.add(b"%d " % number)
    assert stream.omitted + 100 == stream.total
    assert stream.retained().endswith(b"99998 99999 ")
    assert len(stream._tail) < 10_000


def test_bytes_are_never_cut_within_a_character() -> None:
    for limit in range(60):
        text, _ = shortened("äöü€𝄞".encode() * 20, limit)
        assert "�" not in text


def test_bytes_that_are_no_text_are_shown_as_far_as_possible() -> None:
    assert shortened(b"a\xff\xfeb", 10) == ("a��b", False)
    assert shortened(b"\x80" * 100, 10)[1]


@pytest.mark.parametrize("row", table("output", "environment"))
def test_the_environment_policy_decides_what_is_inherited(row: dict[str, Any]) -> None:
    policy = {key: tuple(value) if isinstance(value, list) else value for key, value in row["policy"].items()}
    assert EnvironmentPolicy(**policy).apply(row["given"]) == row["left"]


def test_secrets_are_left_out_by_their_names() -> None:
    secrets = ["API_KEY", "x_secret", "TOKENS", "PASSWORD", "DB_PASS", "CREDENTIALS", "SSH_AUTH_SOCK", "Authorization"]
    assert EnvironmentPolicy().apply(dict.fromkeys([*secrets, "LANG"], "x")) == {"LANG": "x"}


@pytest.mark.parametrize(
    "name",
    ["MYSQL_PWD", "PGPASSWORD", "PGPASSFILE", "DATABASE_URL", "TEST_DATABASE_URL", "SENTRY_DSN", "DSN", "AZURE_STORAGE_CONNECTION_STRING",
     "SLACK_WEBHOOK", "GITLAB_PAT", "SESSION_COOKIE", "dbpwd", "NPM_CONFIG__AUTH"],
)  # fmt: skip
def test_variables_that_hold_secrets_under_other_names_are_left_out(name: str) -> None:
    assert EnvironmentPolicy().apply({name: "x", "PWD": "/w", "OLDPWD": "/o"}) == {"PWD": "/w", "OLDPWD": "/o"}


@pytest.mark.parametrize(
    "value",
    ["postgres://me:hunter2@db/x", "HTTPS://:pw@proxy:3128", "redis://:p%40ss@host:6379/0", "https://0123456789abcdef0123@host/repo.git",
     "mongodb+srv://u:p@h/?x=y", "Server=db;User Id=sa;Password=x;", "host=h password=x", "ghp_0123456789abcdefghijABCD",
     "sk-proj-0123456789abcdefghij", "AKIAABCDEFGHIJKLMNOP", "x -----BEGIN RSA PRIVATE KEY----- y", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi",
     "--index-url https://u:p@h/simple"],
)  # fmt: skip
def test_a_value_that_is_a_secret_is_left_out_whatever_the_name(value: str) -> None:
    assert EnvironmentPolicy().apply({"PLAIN": value, "LANG": "C"}) == {"LANG": "C"}
    assert EnvironmentPolicy(ignore_default_excludes=True).apply({"PLAIN": value}) == {"PLAIN": value}


@pytest.mark.parametrize(
    "value",
    ["http://proxy:3128", "https://example.com/a@b", "git@github.com:x/y.git", "ssh://git@host/x", "/usr/bin:/bin", "a=b;c=d",
     "https://example.com/?q=a:b@c", "unix:///run/x.sock", "::1", "skeleton-key"],
)  # fmt: skip
def test_a_plain_value_stays(value: str) -> None:
    assert EnvironmentPolicy().apply({"PLAIN": value}) == {"PLAIN": value}


@pytest.mark.parametrize(
    "value", ["a" * 200_000, "eyJ-" * 50_000, "a://" * 50_000, "password " * 20_000, "-----BEGIN " * 20_000]
)
def test_looking_for_secrets_takes_time_in_proportion_to_the_value(value: str) -> None:
    began = time.process_time()
    EnvironmentPolicy().apply({"PLAIN": value})
    assert time.process_time() - began < 5


def test_a_call_may_add_what_is_filtered_and_has_the_last_word() -> None:
    seen = command_environment({"API_KEY": "host"}, {"API_KEY": "given", "PAGER": "less"})
    assert (seen["API_KEY"], seen["PAGER"], seen["GIT_TERMINAL_PROMPT"]) == ("given", "less", "0")


def test_there_is_always_a_path_to_find_programs_on() -> None:
    assert "/usr/bin" in command_environment({}, {})["PATH"].split(":")
    assert command_environment({"PATH": "/mine"}, {})["PATH"] == "/mine"


@pytest.mark.parametrize(("row", "denied"), table("output", "denial"))
def test_a_denial_by_the_sandbox_is_told_apart_from_failure(row: dict[str, Any], denied: bool) -> None:
    sandbox = None if row["sandbox"] == "none" else row["sandbox"]
    assert (
        denied_by_sandbox(row["exit_code"], row["stdout"], row["stderr"], row["aggregated"], sandbox=sandbox) is denied
    )


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("*A?*", ["X"]),
        ("?", ["ABAB"]),
        ("a*b", ["X"]),
        ("*A*A*A", ["ABAB", "X"]),
        ("A*B*B", ["X"]),
        ("[A]*", ["ABAB", "X"]),
    ],
)
def test_names_of_variables_fit_patterns_with_stars_and_question_marks(pattern: str, kept: list[str]) -> None:
    policy = EnvironmentPolicy(inherit="all", exclude=(pattern,))
    assert sorted(policy.apply({"ABAB": "1", "X": "1"})) == kept


def test_a_pattern_of_many_stars_does_not_hold_commands_up() -> None:
    policy = EnvironmentPolicy(inherit="all", exclude=("*A" * 40 + "*B",))
    assert policy.apply({"A" * 200: "1"}) == {"A" * 200: "1"}
