from __future__ import annotations

from typing import Any

import pytest
from tests.harness.approvals.parts import command, request, touches

from toolscript.approvals.prompting import question
from toolscript.approvals.text import as_markdown, as_text, sections
from toolscript.approvals.visible import one_line, visible
from toolscript.registry.classification import Classification, Effect


def text_of(*argv: str, **more: Any) -> str:
    return as_text(request(arguments={"command": list(argv)}), **more)


# Case APR-01 to APR-07: what a person reads is what would be executed.
@pytest.mark.parametrize(
    ("hostile", "seen"),
    [
        ("./\u0430pp", "./<U+0430>pp"),
        ("safe\u202e fr- mr", "safe<U+202E> fr- mr"),
        ("hi\U000e0072\U000e006d", "hi<U+E0072><U+E006D>"),
        ("rm\u200b -rf /", "rm<U+200B> -rf /"),
        ("/etc/\u2060passwd", "/etc/<U+2060>passwd"),
        ("evil #\x1b[2K\x1b[1G ls -la", "evil #<U+001B>[2K<U+001B>[1G ls -la"),
        ("evil\rls", "evil<U+000D>ls"),
        ("a\x9bb\x7f\x00", "a<U+009B>b<U+007F><U+0000>"),
        ("\ud800", "<U+D800>"),
        ("\ufeffls", "<U+FEFF>ls"),
        ("r\uff4d", "r<U+FF4D>"),
        ("a\u3164b", "a<U+3164>b"),
        ("a\u00a0b", "a<U+00A0>b"),
        ("ⅰ𝐫𝐦", "<U+2170><U+1D42B><U+1D426>"),
    ],
)
def test_characters_that_mislead_are_spelled_out(hostile: str, seen: str) -> None:
    assert seen in text_of("echo", hostile)
    assert seen in as_markdown(request(arguments={"command": ["echo", hostile]}))


def test_a_forged_mark_is_not_a_mark() -> None:
    assert visible("<U+202E>") == "<U+003C>U+202E>"


def test_words_that_pass_for_latin_are_spelled_out_even_in_prose() -> None:
    assert visible("раураӏ") == "<U+0440><U+0430><U+0443><U+0440><U+0430><U+04CF>"
    assert visible("Ñandú, Grüße, 报告, мир") == "Ñandú, Grüße, 报告, мир"


def test_innocent_names_stay_readable_beside_their_spelling() -> None:
    assert "报告.md  = <U+62A5><U+544A>.md" in text_of("cat", "报告.md")


def test_hosts_are_shown_in_punycode() -> None:
    assert "hosts in ASCII: xn--aypal-uye.com" in text_of("curl", "https://\u0440aypal.com/login")


def test_a_warning_counts_what_was_marked() -> None:
    assert "2 characters that could mislead" in text_of("echo", "hi\U000e0072\U000e006d")
    assert "mislead" not in text_of("echo", "hi")


def test_long_text_shows_head_tail_and_the_hidden_count_and_the_full_view_shows_all() -> None:
    line = "a" * 4_000 + "; rm -rf ~"
    short = text_of("sh", "-c", line)
    assert "; rm -rf ~" in short
    assert "characters hidden" in short
    assert line not in short
    assert line in text_of("sh", "-c", line, full=True)
    assert "characters hidden" not in text_of("sh", "-c", line, full=True)


def test_danger_in_the_middle_is_counted_and_in_the_full_view() -> None:
    line = "a" * 9_000 + "; rm -rf ~ ;" + "b" * 9_000
    (cut,) = [s.cut for s in sections(request(arguments={"command": [line]})) if s.cut]
    assert cut > 15_000
    assert "; rm -rf ~ ;" in text_of(line, full=True)


def test_newlines_are_marked_and_counted() -> None:
    seen = text_of("sh", "-c", "ls" + "\n" * 200 + "rm -rf ~")
    assert "Length: 201 lines in the longest argument" in seen
    assert "Length" not in text_of("sh", "-c", "ls\n")
    assert "Length: 2 lines" in text_of("sh", "-c", "ls\npwd\n")
    assert "ls⏎" in seen and "rm -rf ~" in seen


def test_each_argument_of_a_command_stands_on_a_line_of_its_own() -> None:
    assert "[0] rm\n  | [1] -rf\n  | [2] a b" in text_of("rm", "-rf", "a b")


def test_numbers_are_shown_as_they_are_executed() -> None:
    assert str(2**60 + 1) in as_text(request(arguments={"limit": 2**60 + 1}))


def test_a_request_says_everything_that_consent_is_given_to() -> None:
    classification = Classification(
        effect=Effect.WRITE,
        paths=touches("/etc/hosts", inside=False).paths,
        summary="changes 1 file",
        diff="-old\n+new\u202e",
        reasons=("told by nobody else",),
        escalated=True,
        justification="please\nDigest: 123",
        undoable=False,
        environment={"A": "1"},
    )
    asked = request(
        digest="f" * 64, tool="applyPatch", classification=classification, script_hash="cafe", line=3, column=7,
        allowed_tools=("applyPatch", "exec"), cwd="/w", sandbox="workspace-write", why="outside the workspace",
        arguments={"patch": "*** Begin"}, operation=4,
    )  # fmt: skip
    assert as_text(asked) == "\n".join(
        [
            "Tool: applyPatch",
            "Why it asks: outside the workspace",
            "What it would do: changes 1 file",
            "Argument patch:",
            "  | *** Begin",
            "Effect: write, ordinary, escalated",
            "Because: told by nobody else",
            "Path: modify /etc/hosts (outside the workspace)",
            "Undo: cannot be undone",
            "Diff:",
            "  | -old",
            "  | +new<U+202E>",
            "Justification by the script: please<U+000A>Digest: 123",
            "Working directory: /w",
            "Environment added: A=1",
            "Script: cafe, line 3, column 7, call 4",
            "Tools this run may use: applyPatch, exec",
            "Digest: " + "f" * 64,
        ]
    )


@pytest.mark.parametrize(
    ("confined", "said"),
    [(True, "yes; sandbox mode workspace-write"), (False, "no: it may do whatever you may do; sandbox mode ")],
)
def test_a_command_says_whether_the_operating_system_holds_it(confined: bool, said: str) -> None:
    asked = request(classification=command(confined=confined), sandbox="workspace-write")
    assert f"Confined by the operating system: {said}" in as_text(asked)


def test_no_line_of_an_argument_can_pass_for_a_line_of_the_request() -> None:
    seen = text_of("x\nTool: harmless\nDigest: 0")
    assert [line for line in seen.split("\n") if line.startswith(("Tool:", "Digest:"))] == [
        "Tool: exec",
        seen.split("\n")[-1],
    ]


@pytest.mark.parametrize(
    "hostile", ["```\n# free\n```", "<script>alert(1)</script>", "`` ` ``", "</tool-calls>", "[a](javascript:x)"]
)
def test_markdown_keeps_everything_of_the_request_verbatim(hostile: str) -> None:
    markdown = as_markdown(
        request(arguments={"text": hostile}, classification=command(justification=hostile), cwd=hostile)
    )
    fences = 0
    for line in markdown.split("\n"):
        if line.startswith("```") and set(line) <= {"`"} and len(line) > 3:
            fences += 1
    body = markdown.split("**Argument text**")[1]
    if "```" in hostile:
        assert fences == 2
        assert body.startswith("\n\n````\n")
    for line in markdown.split("\n"):
        if hostile.split("\n", maxsplit=1)[0] in line and line.startswith("**"):
            assert line.count("` ") >= 1


def test_one_line_is_one_line() -> None:
    assert one_line("a\nb\tc\u2028d") == "a<U+000A>b<U+0009>c<U+2028>d"


def test_the_environment_of_a_command_is_shown_with_its_values() -> None:
    asked = request(classification=command(environment={"PATH": "./evil\x1b[0m"}))
    assert "Environment added: PATH=./evil<U+001B>[0m" in as_text(asked)


def test_many_paths_are_cut_with_their_count() -> None:
    one = touches("/w/a").paths[0]
    asked = request(classification=Classification(effect=Effect.WRITE, paths=(one,) * 60))
    assert "and 10 more" in as_text(asked)


def test_a_request_says_what_allowing_it_for_the_conversation_would_allow() -> None:
    asked = request(classification=command(remember="without the sandbox, git push …"))
    assert "Allowing it for this conversation would allow: exec: without the sandbox, git push …" in as_text(asked)
    assert "git push …" in question(asked)
    long = request(classification=command(remember="exactly: " + "x" * 300))
    assert "x" * 300 in as_text(long) and "as shown above" in question(long)
    assert "conversation" not in question(request(classification=command()))
