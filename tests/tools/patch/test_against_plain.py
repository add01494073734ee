"""Random files and patches: the tool and the plainest reading of the rules agree, byte by byte."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tools.patch import plain

from toolscript.errors import ToolError
from toolscript_tools.patch import Chunk, UpdateFile, parse, update, update_legacy

LINES = [
    "a",
    "b",
    "c",
    "",
    " ",
    "\ta",
    "a ",
    " a",
    "\u00a0a",
    "x – y",
    "x - y",
    "“q”",
    '"q"',
    "é",
    "e\u0301",
    "@@",
    "+",
    "-",
]
line = st.sampled_from(LINES)
chunk_line = st.tuples(st.sampled_from("  -+"), line)


@st.composite
def chunks(draw: st.DrawFn, lines: list[str]) -> list[plain.Chunk]:
    """Return chunks that mostly stand in the file, some with another spelling, some nowhere."""
    made: list[plain.Chunk] = []
    at = 0
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(min(at, len(lines)), len(lines)))
        old: list[str] = []
        new: list[str] = []
        kept: list[tuple[int, int]] = []
        for index in range(at, min(len(lines), at + draw(st.integers(0, 4)))):
            own = lines[index] if draw(st.integers(0, 9)) else draw(line)
            kind = draw(st.sampled_from(" -"))
            if kind == " ":
                kept.append((len(old), len(new)))
                new.append(own)
            old.append(own)
            if not draw(st.integers(0, 2)):
                new.append(draw(line))
        if not old and not new:
            new.append(draw(line))
        context = draw(st.one_of(st.none(), st.sampled_from(lines or LINES)))
        made.append((context, old, new, kept, not draw(st.integers(0, 4))))
        at += len(old)
    return made


def patch_of(made: list[plain.Chunk]) -> str:
    """Write the chunks as a patch: context lines, then removals and additions as they come."""
    text = ["*** Begin Patch", "*** Update File: f"]
    for context, old, new, kept, end in made:
        text.append("@@" if context is None else f"@@ {context}")
        i = j = 0
        for next_i, next_j in (*kept, (len(old), len(new))):
            text += [f"-{one}" for one in old[i:next_i]] + [f"+{one}" for one in new[j:next_j]]
            if next_i < len(old):
                text.append(f" {old[next_i]}")
            i, j = next_i + 1, next_j + 1
        text += ["*** End of File"] * end
    return "\n".join([*text, "*** End Patch"])


def outcome(work, *args) -> bytes | str:  # type: ignore[no-untyped-def]
    try:
        result = work(*args)
    except (plain.Refused, ToolError) as error:
        return str(getattr(error, "message", error))
    return result.encode() if isinstance(result, str) else getattr(result, "content", result)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_an_update_is_what_the_rules_say(data: st.DataObject) -> None:
    texts = data.draw(st.lists(line, max_size=12))
    ends = data.draw(st.lists(st.sampled_from(["\n", "\n", "\r\n", "\r"]), min_size=len(texts), max_size=len(texts)))
    content = "".join(text + end for text, end in zip(texts, ends, strict=True))
    if texts and texts[-1] and data.draw(st.booleans()):
        content = content.removesuffix("\n").removesuffix("\r")
    if data.draw(st.booleans()):
        content = content.replace("\r\n", "\n").replace("\r", "\n")
    made = data.draw(chunks(texts))
    ours = tuple(Chunk(c, tuple(old), tuple(new), tuple(kept), end) for c, old, new, kept, end in made)

    assert outcome(update, content.encode(), ours, "f") == outcome(plain.updated, content, made)
    assert outcome(update_legacy, content.encode(), ours, "f") == outcome(plain.updated_legacy, content, made)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_patch_that_is_written_is_read_again(data: st.DataObject) -> None:
    texts = data.draw(st.lists(line, max_size=8))
    made = [c for c in data.draw(chunks(texts)) if c[0] is None or c[0] == c[0].rstrip(plain.WHITE)]
    # An empty context is no context, and a context of blanks alone is cut with the line's end.
    made = [(c or None, old, new, kept, end) for c, old, new, kept, end in made]
    if not made:
        return
    (hunk,) = parse(patch_of(made)).hunks

    assert isinstance(hunk, UpdateFile)
    assert [(c.context, list(c.old), list(c.new), list(c.kept), c.end_of_file) for c in hunk.chunks] == made
