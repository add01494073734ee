"""What must hold for any words, texts and bytes, however hostile."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from toolscript.errors import ToolError
from toolscript_tools.shell.bash import plain_commands
from toolscript_tools.shell.classify import dangerous, known_safe, split_script
from toolscript_tools.shell.interception import apply_patch_invocation
from toolscript_tools.shell.remember import pattern
from toolscript_tools.shell.truncation import Budget, HeadTail, formatted, shortened, truncated

SHELLISH = st.text(st.sampled_from("lsrmcat -f\"'\\$(){}[]<>|&;`#!*?~=\n\t aéz"), max_size=60)
ARGV = st.lists(
    st.one_of(SHELLISH, st.sampled_from(["bash", "-c", "-lc", "sudo", "env", "rm", "git", "apply_patch"])), max_size=5
)


@given(ARGV)
def test_classification_answers_for_any_words(argv: list[str]) -> None:
    safe, danger = known_safe(argv), dangerous(argv)
    assert isinstance(safe, bool)
    assert danger in (None, "forced_rm")
    assert not (safe and danger)
    try:
        apply_patch_invocation(argv)
    except ToolError:
        assert not safe


@given(ARGV)
def test_a_command_that_cannot_be_split_has_no_name_to_be_remembered_by(argv: list[str]) -> None:
    if len(argv) == 3 and argv[0] == "bash" and argv[1] in ("-c", "-lc") and not split_script(argv[2]):
        assert pattern(argv) is None


@given(SHELLISH)
def test_a_script_that_a_redirect_or_substitution_is_added_to_is_never_safe(script: str) -> None:
    assert not known_safe(["bash", "-c", f"{script} > x"])
    assert not known_safe(["bash", "-c", f"{script} $(id)"])
    assert not known_safe(["bash", "-c", f"{script} & id"])


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="'\0"), min_size=1, max_size=8), min_size=1, max_size=4
    )
)
def test_single_quoted_words_are_read_as_they_are(words: list[str]) -> None:
    split = plain_commands("echo " + " ".join(f"'{word}'" for word in words))
    if split is not None and len(split) == 1:
        assert [word.text for word in split[0][1:]] == words


@given(st.lists(st.binary(max_size=50), max_size=30), st.integers(0, 80))
def test_head_and_tail_are_those_of_the_whole(chunks: list[bytes], limit: int) -> None:
    stream, whole = HeadTail(limit), b"".join(chunks)
    for chunk in chunks:
        stream.add(chunk)
    kept = stream.retained()
    assert len(kept) == min(limit, len(whole))
    assert stream.omitted == len(whole) - len(kept)
    assert whole.startswith(kept[: limit // 2])
    assert whole.endswith(kept[limit // 2 :])


@given(st.text(), st.integers(0, 40))
@settings(max_examples=200)
def test_cut_text_is_text_and_ends_as_the_whole_does(text: str, limit: int) -> None:
    cut, was_cut = shortened(text.encode("utf-8", "replace"), limit)
    assert was_cut is (len(text.encode("utf-8", "replace")) > limit)
    assert len(cut.encode()) <= limit + 40
    for budget in (Budget(tokens=limit), Budget(bytes=limit)):
        assert len(truncated(text, budget).encode("utf-8", "replace")) <= budget.limit + 40
        assert isinstance(formatted(text, budget), str)
