"""writeFile: exactly the content, shown before it happens."""

from __future__ import annotations

import base64
import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from tests.tools.files.world import text_of, use, world

from toolscript.errors import InvalidArguments, ToolError
from toolscript.files import OverlayFiles, digest_of
from toolscript.registry.classification import Effect
from toolscript_tools.files import ReadFile, WriteFile
from toolscript_tools.files.diff import unified

pytestmark = pytest.mark.anyio
write = WriteFile()


async def classified(context, **arguments):
    return await write.classify(write.spec.input.parse("writeFile", arguments), context)


@pytest.mark.parametrize("content", ["", "x", "a\r\nb\n", "\ufeffä\n", "\0", "</tool-calls>\n```\n"])
async def test_the_file_holds_exactly_the_content(content: str, tmp_path: Path):
    context = world(tmp_path / "w")
    output = await use(write, context, path="f", content=content)
    assert (tmp_path / "w" / "f").read_bytes() == content.encode()
    assert write.spec.output.dump(output) == {"path": "f", "size": len(content.encode()), "created": True}
    assert await use(ReadFile(), context, path="f") == content


async def test_a_request_shows_what_would_change(tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "f").write_text("one\ntwo\nthree\n")
    seen = await classified(context, path="f", content="one\n2\nthree\n")
    assert seen.effect is Effect.WRITE
    assert seen.summary == "replace f (12 bytes)"
    assert seen.diff == "--- f\n+++ f\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three"
    (path,) = seen.paths
    assert (path.path, path.kind, path.before) == (tmp_path / "w" / "f", "modify", digest_of(b"one\ntwo\nthree\n"))
    assert seen.remember == str(tmp_path / "w" / "f")
    assert (tmp_path / "w" / "f").read_text() == "one\ntwo\nthree\n"


async def test_a_new_file_is_shown_as_new(tmp_path: Path):
    seen = await classified(world(tmp_path / "w"), path="f", content="x")
    assert (seen.paths[0].kind, seen.paths[0].before) == ("add", None)
    assert seen.diff == "--- /dev/null\n+++ f\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file"


async def test_a_request_through_a_link_names_the_real_path(tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "link").symlink_to(".git/config")
    seen = await classified(context, path="link", content="x")
    assert seen.paths[0].protected
    assert seen.remember == str(tmp_path / "w" / ".git" / "config")
    assert "protected" in seen.reasons[0]
    with pytest.raises(ToolError) as caught:
        await use(write, context, path="link", content="x")
    assert caught.value.code == "not_found" or caught.value.code == "protected"


async def test_outside_is_classified_with_its_difference_and_refused_without_consent(tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "o").write_text("old\n")
    seen = await classified(context, path="../o", content="new\n")
    assert [path.path for path in seen.outside] == [tmp_path / "o"]
    assert "-old\n+new" in (seen.diff or "")
    with pytest.raises(ToolError) as caught:
        await use(write, context, path="../o", content="new\n")
    assert (caught.value.code, caught.value.message) == (
        "outside_workspace", "../o: the path leads outside the workspace"
    )  # fmt: skip
    assert (tmp_path / "o").read_text() == "old\n"


async def test_a_missing_directory_is_named_with_the_way_out(tmp_path: Path):
    context = world(tmp_path / "w")
    with pytest.raises(ToolError, match="createDirs: true") as caught:
        await use(write, context, path="new/f", content="x")
    assert caught.value.code == "not_found"
    await use(write, context, path="new/f", content="x", createDirs=True)
    assert (tmp_path / "w" / "new" / "f").read_text() == "x"


async def test_bytes_may_be_given_in_base64(tmp_path: Path):
    context = world(tmp_path / "w")
    data = bytes(range(256))
    await use(write, context, path="f", content=base64.b64encode(data).decode(), encoding="base64")
    assert (tmp_path / "w" / "f").read_bytes() == data
    with pytest.raises(InvalidArguments, match="base64"):
        await use(write, context, path="f", content="!", encoding="base64")


async def test_half_a_surrogate_pair_is_no_text(tmp_path: Path):
    with pytest.raises(InvalidArguments, match="surrogate"):
        await use(write, world(tmp_path / "w"), path="f", content="a\ud800b")
    assert list((tmp_path / "w").iterdir()) == []


async def test_an_overwritten_file_too_large_for_undo_says_so(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("toolscript.files.content.UNDO_BYTES", 4)
    context = world(tmp_path / "w")
    (tmp_path / "w" / "f").write_text("12345")
    seen = await classified(context, path="f", content="x")
    assert not seen.undoable
    assert "cannot be undone" in seen.reasons[0]


async def test_one_sentence_for_a_structured_call(tmp_path: Path):
    context = world(tmp_path / "w")
    assert await text_of(write, context, path="f", content="abc") == "Created f (3 bytes)."
    assert await text_of(write, context, path="f", content="abcd") == "Replaced f (4 bytes)."


async def test_a_planned_write_is_seen_by_the_next_read_and_not_on_disk(tmp_path: Path):
    context = world(tmp_path / "w")
    plan = OverlayFiles(context.files)
    planned = replace(context, files=plan)
    await use(write, planned, path="d/f", content="x", createDirs=True)
    assert await use(ReadFile(), planned, path="d/f") == "x"
    assert [change.path.name for change in plan.changes()] == ["f"]
    assert list((tmp_path / "w").iterdir()) == []


async def test_many_writers_of_one_file_leave_one_of_their_contents(tmp_path: Path):
    context = world(tmp_path / "w")
    contents = [str(number) * 50_000 for number in range(10)]
    async with anyio.create_task_group() as group:
        for content in contents:
            group.start_soon(lambda c=content: use(write, context, path="f", content=c))
    assert (tmp_path / "w" / "f").read_text() in contents
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["f"]


def test_a_difference_of_any_size_ends_soon_and_can_be_applied(tmp_path: Path):
    if shutil.which("patch") is None:
        pytest.skip("this machine has no patch")
    choice = random.Random(3)
    for size in (0, 1, 5, 60, 5000):
        old = [f"{choice.randrange(10)}\n" for _ in range(size)]
        new = [line for line in old if choice.random() > 0.2]
        for _ in range(size // 5 + 1):
            new.insert(choice.randrange(len(new) + 1), f"new {choice.randrange(5)}\n")
        new[-1] = new[-1].rstrip("\n") if choice.random() > 0.5 else new[-1]
        (tmp_path / "f").write_text("".join(old))
        text = unified("f", "".join(old).encode(), "".join(new).encode()) + "\n"
        subprocess.run(["patch", "-s", "f"], cwd=tmp_path, input=text.encode(), check=True)
        assert (tmp_path / "f").read_text() == "".join(new)


def test_binary_contents_are_told_apart_by_size():
    assert "4 bytes become 2 bytes" in unified("f", b"\0\1\2\3", b"ab")
    assert unified("f", b"same", b"same") == ""
