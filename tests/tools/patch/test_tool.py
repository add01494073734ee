"""The tool: what is asked before, all or nothing, what is reported, and what comes back on failure."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.tools.failing_files import FailingFiles
from tests.tools.patch.table import harvest, plant, rows

from toolscript.errors import ToolError
from toolscript.files.disk import DiskFiles
from toolscript.registry.classification import Effect
from toolscript.registry.context import ToolContext
from toolscript_tools.patch import apply_text, classify_text, refuse_uncalled, tools

pytestmark = pytest.mark.anyio

(TOOL,) = tools()


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    return ToolContext(cwd=tmp_path, roots=(tmp_path,), files=DiskFiles([tmp_path]))


def patch(*lines: str) -> str:
    return "\n".join(("*** Begin Patch", *lines, "*** End Patch"))


async def call(context: ToolContext, text: str) -> Any:
    return await TOOL.call(TOOL.spec.input.parse("applyPatch", {"patch": text}), context)


@pytest.mark.parametrize("row", [row for row in rows("verify") if "patch" in row.values[0]])
async def test_a_verified_patch_is_applied_where_it_points(
    row: dict[str, Any], context: ToolContext, tmp_path: Path
) -> None:
    plant(tmp_path, row["before"])
    if "error" in row:
        with pytest.raises(ToolError) as caught:
            await apply_text(row["patch"], context, tmp_path / row["cwd"])
        assert caught.value.message == row["error"].replace("{ROOT}", str(tmp_path))
    else:
        classified = await classify_text(row["patch"], context, tmp_path / row["cwd"])
        await apply_text(row["patch"], context, tmp_path / row["cwd"])
        touched = {str(effect.path) for effect in classified.paths}
        assert {path.replace("{ROOT}", str(tmp_path)) for path in row["touches"][1:]} <= touched
    assert harvest(tmp_path) == row["after"]


@pytest.mark.parametrize("row", [row for row in rows("verify") if "uncalled" in row.values[0]])
async def test_a_patch_given_as_a_command_is_refused_with_the_form_that_works(row: dict[str, Any]) -> None:
    with pytest.raises(ToolError) as caught:
        refuse_uncalled(row["uncalled"])

    assert caught.value.message == row["error"]


async def test_a_script_gets_lists_of_paths_and_one_diff(context: ToolContext, tmp_path: Path) -> None:
    plant(tmp_path, {"a.txt": "one\ntwo\n", "gone.txt": "x\n", "old.txt": "same\n"})
    text = patch(
        "*** Update File: a.txt", "@@", "-two", "+2",
        "*** Delete File: gone.txt",
        "*** Update File: old.txt", "*** Move to: dir/new.txt", "@@", " same", "+more",
        "*** Add File: b.txt", "+b",
    )  # fmt: skip

    output = await call(context, text)

    assert TOOL.spec.output.dump(output) == {
        "added": ["b.txt"],
        "modified": ["a.txt"],
        "deleted": ["gone.txt"],
        "moved": [{"from": "old.txt", "to": "dir/new.txt"}],
        "diff": (
            "--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
            "--- a/gone.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
            "--- a/old.txt\n+++ b/dir/new.txt\n@@ -1 +1,2 @@\n same\n+more\n"
            "--- /dev/null\n+++ b/b.txt\n@@ -0,0 +1 @@\n+b\n"
        ),
    }
    rendered = TOOL.render(TOOL.spec.input.parse("applyPatch", {"patch": text}), output)
    assert rendered == (
        "Success. Updated the following files:\nA b.txt\nM a.txt\nM dir/new.txt\nD gone.txt\n"
    )  # fmt: skip
    assert harvest(tmp_path) == {"a.txt": "one\n2\n", "b.txt": "b\n", "dir/new.txt": "same\nmore\n"}


async def test_the_output_fits_its_own_schema(context: ToolContext) -> None:
    import jsonschema

    dumped = TOOL.spec.output.dump(await call(context, patch("*** Add File: a", "+x")))

    jsonschema.validate(json.loads(json.dumps(dumped)), TOOL.spec.output.schema)


async def test_classifying_names_every_path_with_its_digest_and_changes_nothing(
    context: ToolContext, tmp_path: Path
) -> None:
    plant(tmp_path, {"a": "a\n", "taken": "t\n"})
    text = patch("*** Update File: a", "*** Move to: new", "@@", "-a", "+A", "*** Add File: taken", "+x")

    classified = await TOOL.classify(TOOL.spec.input.parse("applyPatch", {"patch": text}), context)

    digest = context.files.state(context.files.place("a", tmp_path)).digest
    assert classified.effect is Effect.WRITE
    assert [(e.path.name, e.kind, e.inside, e.before is None) for e in classified.paths] == [
        ("a", "move", True, False),
        ("new", "add", True, True),
        ("taken", "modify", True, False),
    ]
    assert classified.paths[0].before == digest
    assert classified.summary == "apply a patch: A taken, M new"
    assert classified.diff is not None and "-a\n+A\n" in classified.diff
    assert classified.remember == "\n".join(str(tmp_path / name) for name in ("a", "new", "taken"))
    assert harvest(tmp_path) == {"a": "a\n", "taken": "t\n"}


async def test_a_path_outside_the_roots_is_classified_as_such(context: ToolContext, tmp_path: Path) -> None:
    classified = await classify_text(patch("*** Add File: ../escaped", "+x"), context, tmp_path)

    assert [effect.path for effect in classified.outside] == [tmp_path.parent / "escaped"]


async def test_files_too_large_to_be_kept_are_said_to_be_past_undoing(context: ToolContext, tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as big:
        big.truncate(64 * 1024 * 1024 + 1)

    assert not (await classify_text(patch("*** Delete File: big"), context, tmp_path)).undoable


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "patch rejected: empty patch"),
        (("nonsense",), "apply_patch verification failed: invalid hunk at line 2, 'nonsense' is not a valid hunk"),
        (("*** Add File: a", "+x", "*** Delete File: a"), "invalid patch: multiple operations target {ROOT}/a"),
        (
            ("*** Add File: new", "+x", "*** Update File: missing", "@@", "-a", "+b"),
            "apply_patch verification failed: Failed to read file to update {ROOT}/missing: No such file or directory"
            " (os error 2)",
        ),
        (
            ("*** Add File: new", "+x", "*** Delete File: dir"),
            "apply_patch verification failed: Failed to read {ROOT}/dir: Is a directory (os error 21)",
        ),
        (
            ("*** Add File: new", "+x", "*** Update File: bytes", "@@", "-a", "+b"),
            "Failed to read file to update {ROOT}/bytes: stream did not contain valid UTF-8",
        ),
        (("*** Add File: new", "+x", "*** Add File: dir", "+x"), "Failed to write file {ROOT}/dir"),
        (
            ("*** Update File: file", "*** Move to: dir", "@@", " text"),
            "apply_patch verification failed: Failed to write file {ROOT}/dir",
        ),
        (
            ("*** Update File: file", "*** Move to: other", "@@", " text", "*** Update File: other", "@@", "+x"),
            "invalid patch: multiple operations target {ROOT}/other",
        ),
        (("*** Environment ID: far", "*** Add File: a", "+x"), "there is no environment 'far' here"),
        (("*** Add File: a\0b", "+x"), "names no usable path"),
    ],
)
async def test_a_patch_that_fails_anywhere_changes_nothing(
    lines: tuple[str, ...], message: str, context: ToolContext, tmp_path: Path
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "bytes").write_bytes(b"\xff\n")
    (tmp_path / "file").write_text("text\n")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    for attempt in (call(context, patch(*lines)), classify_text(patch(*lines), context, tmp_path)):
        with pytest.raises(ToolError) as caught:
            await attempt
        assert message.replace("{ROOT}", str(tmp_path)) in caught.value.message

    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


async def test_what_was_applied_is_put_back_when_a_later_write_fails(context: ToolContext, tmp_path: Path) -> None:
    files = FailingFiles([tmp_path])
    plant(tmp_path, {"a": "a\n", "b": "b\n", "c": "c\n", "full": "f\n"})
    before = harvest(tmp_path)
    files.failing.add("full")
    text = patch(
        "*** Add File: a", "+overwritten", "*** Delete File: b", "*** Update File: c", "*** Move to: d", "@@", "-c",
        "+C", "*** Add File: e", "+new", "*** Update File: full", "@@", "-f", "+F",
    )  # fmt: skip

    with pytest.raises(ToolError) as caught:
        await call(replace(context, files=files), text)

    assert caught.value.message == (
        f"Failed to write file {tmp_path}/full (nothing is changed: what had been applied was put back)"
    )
    assert caught.value.code == "io_error"
    assert harvest(tmp_path) == before


async def test_a_move_whose_original_cannot_be_removed_is_put_back(context: ToolContext, tmp_path: Path) -> None:
    files = FailingFiles([tmp_path])
    plant(tmp_path, {"a": "a\n"})
    files.failing.add("a")

    with pytest.raises(ToolError, match="Failed to remove original"):
        await call(replace(context, files=files), patch("*** Update File: a", "*** Move to: b", "@@", "-a", "+A"))

    assert harvest(tmp_path) == {"a": "a\n"}


async def test_what_cannot_be_put_back_is_named(context: ToolContext, tmp_path: Path) -> None:
    class Broken(FailingFiles):
        def put(self, place: Any, state: Any) -> Any:
            raise ToolError("read-only file system", code="io_error")

    plant(tmp_path, {"b": "b\n"})
    files = Broken([tmp_path])
    files.failing.add("b")

    with pytest.raises(ToolError) as caught:
        await call(replace(context, files=files), patch("*** Add File: a", "+x", "*** Delete File: b"))

    assert f"could not be put back: {tmp_path}/a" in caught.value.message
    assert caught.value.details["left"] == [str(tmp_path / "a")]


async def test_a_moved_file_keeps_its_permissions(context: ToolContext, tmp_path: Path) -> None:
    plant(tmp_path, {"run.sh": "#!/bin/sh\n"})
    (tmp_path / "run.sh").chmod(0o755)

    await call(context, patch("*** Update File: run.sh", "*** Move to: bin/go.sh", "@@", " #!/bin/sh"))

    assert (tmp_path / "bin/go.sh").stat().st_mode & 0o777 == 0o755


async def test_a_file_moved_onto_itself_is_only_edited(context: ToolContext, tmp_path: Path) -> None:
    plant(tmp_path, {"a": "a\n"})

    output = await call(context, patch("*** Update File: a", "*** Move to: ./a", "@@", "-a", "+A"))

    assert (output.modified, output.moved) == (["a"], [])
    assert harvest(tmp_path) == {"a": "A\n"}


async def test_every_path_is_locked_while_it_is_checked_and_written(context: ToolContext, tmp_path: Path) -> None:
    plant(tmp_path, {"a": "a\n"})
    files = FailingFiles([tmp_path])

    await call(replace(context, files=files), patch("*** Update File: a", "*** Move to: b", "@@", "-a", "+A"))

    assert files.locks_taken == [(tmp_path / "a", tmp_path / "b")]


async def test_a_long_diff_is_cut_and_kept_under_a_handle(context: ToolContext) -> None:
    small = replace(context, max_output_bytes=400)

    output = await call(small, patch("*** Add File: a", *["+line"] * 100))

    assert output.diff.endswith("bytes]\n")
    assert len(output.diff) < 200
    assert small.outputs.read(output.diff_handle).count(b"+line\n") == 100


async def test_a_name_with_a_line_break_cannot_forge_lines_of_the_diff(context: ToolContext, tmp_path: Path) -> None:
    (tmp_path / "a\rb").write_text("x\n")

    output = await call(context, patch("*** Delete File: a\rb"))

    assert output.diff.splitlines()[0] == "--- a/a\\rb"


async def test_a_binary_file_can_be_deleted_and_its_bytes_stay_out_of_the_diff(
    context: ToolContext, tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(b"\x89PNG\0\xff")

    output = await call(context, patch("*** Delete File: image"))

    assert output.diff == "--- a/image\n+++ /dev/null\nBinary files differ\n"
    assert not (tmp_path / "image").exists()


async def test_directories_made_on_the_way_go_again_with_what_is_put_back(context: ToolContext, tmp_path: Path) -> None:
    plant(tmp_path, {"full": "f\n"})
    files = FailingFiles([tmp_path])
    files.failing.add("full")

    with pytest.raises(ToolError):
        await call(
            replace(context, files=files),
            patch("*** Add File: new/deep/a", "+x", "*** Update File: full", "@@", "-f", "+F"),
        )

    assert sorted(tmp_path.iterdir()) == [tmp_path / "full"]


async def test_deleting_a_link_leaves_its_target(context: ToolContext, tmp_path: Path) -> None:
    plant(tmp_path, {"kept": "kept\n"})
    (tmp_path / "link").symlink_to("kept")

    output = await call(context, patch("*** Delete File: link"))

    assert output.deleted == ["link"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]


async def test_a_link_and_its_target_count_as_one_file(context: ToolContext, tmp_path: Path) -> None:
    plant(tmp_path, {"a": "a\n"})
    (tmp_path / "link").symlink_to("a")

    with pytest.raises(ToolError, match="multiple operations target"):
        await call(context, patch("*** Update File: a", "@@", "-a", "+b", "*** Update File: link", "@@", "-a", "+c"))


async def test_links_out_of_the_workspace_are_shown_as_such_and_not_followed(
    context: ToolContext, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    plant(outside, {"secret": "s\n"})
    (tmp_path / "link").symlink_to(outside / "secret")
    (tmp_path / "dangling").symlink_to(outside / "created")

    classified = await classify_text(patch("*** Update File: link", "@@", "-s", "+x"), context, tmp_path)
    assert [effect.path for effect in classified.outside] == [outside / "secret"]
    for lines in (("*** Update File: link", "@@", "-s", "+x"), ("*** Add File: dangling", "+x")):
        with pytest.raises(ToolError) as caught:
            await call(context, patch(*lines))
        assert caught.value.code == "outside_workspace"

    assert harvest(outside) == {"secret": "s\n"}


@pytest.mark.parametrize("name", [".git/hooks/post-commit", "toolscript.toml", "sub/../.git/config"])
async def test_protected_files_are_marked_and_not_written_without_consent(
    name: str, context: ToolContext, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    text = patch(f"*** Add File: {name}", "+x")

    assert [effect.protected for effect in (await classify_text(text, context, tmp_path)).paths] == [True]
    with pytest.raises(ToolError) as caught:
        await call(context, text)

    assert caught.value.code == "protected"
    assert harvest(tmp_path) == {}


@pytest.mark.parametrize("path", ["/proc/self/environ", "/dev/zero", "p"])
async def test_what_is_no_regular_file_is_refused_without_blocking(
    path: str, context: ToolContext, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "p")

    for lines in ((f"*** Update File: {path}", "@@", "-a", "+b"), (f"*** Add File: {path}", "+b")):
        with pytest.raises(ToolError) as caught:
            await call(context, patch(*lines))
        assert caught.value.code in ("bad_path", "not_a_file")


async def test_a_path_that_leads_through_a_file_is_told_apart_from_a_missing_one(
    context: ToolContext, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(ToolError, match=r"f/g: Not a directory \(os error 20\)") as caught:
        await call(context, patch("*** Update File: f/g", "@@", "-a", "+b"))
    assert caught.value.code == "not_a_directory"


@pytest.mark.slow
async def test_a_file_of_200_megabytes_is_edited_by_the_tool(context: ToolContext, tmp_path: Path) -> None:
    line = b"%07d " + b"." * 71 + b"\n"
    with (tmp_path / "big").open("wb") as big:
        for start in range(0, 2_500_000, 100_000):
            big.write(b"".join(line % number for number in range(start, start + 100_000)))
    text = patch("*** Update File: big", "@@", f"-2499999 {'.' * 71}", "+the end")

    output = await call(context, text)

    assert output.modified == ["big"]
    assert (tmp_path / "big").stat().st_size == 2_500_000 * 80 - 80 + 8
