"""The editor by exact text: messages as models know them, bytes as they were, undo within a conversation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.tools.failing_files import FailingFiles
from tests.tools.patch.table import harvest

from toolscript.errors import InvalidArguments, OutputTooLarge, ToolError
from toolscript.files.disk import DiskFiles
from toolscript.registry.classification import Danger, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.tool import Tool
from toolscript_tools.editor import tools

pytestmark = pytest.mark.anyio

CASES = json.loads(Path(__file__).with_name("cases.json").read_text(encoding="utf-8"))["cases"]


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    return ToolContext(cwd=tmp_path, roots=(tmp_path,), files=DiskFiles([tmp_path]), conversation_id="c1")


@pytest.fixture
def editor() -> Tool:
    (tool,) = tools()
    return tool


async def run(editor: Tool, context: ToolContext, arguments: dict[str, Any]) -> str:
    parsed = editor.spec.input.parse("strReplaceEditor", arguments)
    return editor.render(parsed, await editor.call(parsed, context))


async def outcome(editor: Tool, context: ToolContext, arguments: dict[str, Any]) -> dict[str, str]:
    try:
        return {"ok": await run(editor, context, arguments)}
    except ToolError as error:
        return {"error": error.message}


def rooted(value: Any, root: Path) -> Any:
    return json.loads(json.dumps(value).replace("{ROOT}", str(root)))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
async def test_the_editor_answers_as_models_expect(
    case: dict[str, Any], editor: Tool, context: ToolContext, tmp_path: Path
) -> None:
    for name, content in case["before"].items():
        text = content if isinstance(content, str) else content["repeat"] * content["times"]
        (tmp_path / name).write_bytes(text.encode())
    for name in case["dirs"]:
        (tmp_path / name).mkdir()

    results = [await outcome(editor, context, rooted(call, tmp_path)) for call in case["calls"]]

    for result, expected in zip(results, rooted(case["results"], tmp_path), strict=True):
        if "clipped" in expected:
            head, notice = result["ok"].split("\t", 1)[1].split("<response clipped>")
            assert len(head) == expected["clipped"]
            assert notice.endswith(expected["ends"])
        else:
            assert result == expected
    if case["after"]:
        assert harvest(tmp_path) == case["after"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"command": "create"}, "File already exists at: {P}. Cannot overwrite files using command `create`."),
        ({"command": "create", "path": "{P}2"}, "Parameter `file_text` is required for command: create"),
        ({"command": "str_replace"}, "Parameter `old_str` is required for command: str_replace"),
        ({"command": "insert", "new_str": "x"}, "Parameter `insert_line` is required for command: insert"),
        (
            {"command": "view", "view_range": [1, 9]},
            "Invalid `view_range`: [1, 9]. Its second element `9` should be smaller than the number of lines in the "
            "file: `3`",
        ),
        (
            {"command": "view", "view_range": [0, 1]},
            "Invalid `view_range`: [0, 1]. Its first element `0` should be within the range of lines of the file: "
            "[1, 3]",
        ),
        (
            {"command": "view", "path": "{ROOT}", "view_range": [1, 2]},
            "The `view_range` parameter is not allowed when `path` points to a directory.",
        ),
        ({"command": "str_replace", "old_str": ""}, "No replacement was performed, old_str is empty. Use `insert`"),
        ({"command": "undo_edit"}, "No edit history found for {P}."),
        ({"command": "undo_edit", "path": "{P}2"}, "The path {P}2 does not exist. Please provide a valid path."),
        ({"command": "create", "path": "{P}2", "file_text": "\ud800"}, "lone surrogate"),
    ],
)
async def test_what_cannot_be_done_is_said_and_changes_nothing(
    arguments: dict[str, Any], error: str, editor: Tool, context: ToolContext, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("a\nb\n")
    given = {"path": "{P}"} | arguments
    for name in ("path",):
        given[name] = given[name].replace("{P}", f"{tmp_path}/f").replace("{ROOT}", str(tmp_path))

    result = await outcome(editor, context, given)

    assert error.replace("{P}", f"{tmp_path}/f") in result["error"]
    assert harvest(tmp_path) == {"f": "a\nb\n"}


async def test_both_generations_and_both_spellings_of_parameters_are_taken(
    editor: Tool, context: ToolContext, tmp_path: Path
) -> None:
    path = str(tmp_path / "f")
    await run(editor, context, {"command": "create", "path": path, "fileText": "a\n"})
    await run(editor, context, {"command": "insert", "path": path, "insertLine": 1, "newStr": "old generation"})
    both = {"insert_text": "newer wins", "new_str": "not taken"}
    await run(editor, context, {"command": "insert", "path": path, "insert_line": 0, **both})
    await run(editor, context, {"command": "str_replace", "path": path, "oldStr": "a\n"})

    assert (tmp_path / "f").read_text() == "newer wins\nold generation\n"


async def test_an_unknown_argument_is_named(editor: Tool) -> None:
    with pytest.raises(InvalidArguments, match="file_txt"):
        editor.spec.input.parse("strReplaceEditor", {"command": "create", "path": "/x", "file_txt": ""})


@pytest.mark.parametrize(
    ("before", "arguments", "after"),
    [
        (b"\ta\r\n\tb\r\n", {"command": "str_replace", "old_str": "a", "new_str": "c"}, b"\tc\r\n\tb\r\n"),
        (b"a\r\nb\r\n", {"command": "insert", "insert_line": 1, "insert_text": "x\ny"}, b"a\r\nx\r\ny\r\nb\r\n"),
        (b"a\r\nb", {"command": "insert", "insert_line": 2, "insert_text": "x"}, b"a\r\nb\r\nx"),
        (b"a\r\nb\r\n", {"command": "str_replace", "old_str": "a\r\nb", "new_str": "c"}, b"c\r\n"),
        (b"\xef\xbb\xbfa.c\n", {"command": "str_replace", "old_str": "a.c", "new_str": "\\1"}, b"\xef\xbb\xbf\\1\n"),
        (b"a\x0bb\x1cc\x85d\r", {"command": "str_replace", "old_str": "d", "new_str": ""}, b"a\x0bb\x1cc\x85\r"),
    ],
    ids=["tabs", "CRLF inserted", "CRLF at the end", "CRLF replaced", "BOM and literal text", "other separators"],
)
async def test_bytes_that_are_not_edited_stay(
    before: bytes, arguments: dict[str, Any], after: bytes, editor: Tool, context: ToolContext, tmp_path: Path
) -> None:
    before, after = (data.replace(b"\x85", "\x85".encode()) for data in (before, after))
    (tmp_path / "f").write_bytes(before)

    await run(editor, context, {"path": str(tmp_path / "f"), **arguments})

    assert (tmp_path / "f").read_bytes() == after


async def test_a_block_that_misses_only_carriage_returns_is_explained(
    editor: Tool, context: ToolContext, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"a\r\nb\r\n")

    result = await outcome(
        editor, context, {"command": "str_replace", "path": f"{tmp_path}/f", "old_str": "a\nb", "new_str": "c"}
    )

    assert result["error"].endswith("Lines of this file end with \\r\\n.")


async def test_a_directory_is_shown_two_levels_deep_without_hidden_names(
    editor: Tool, context: ToolContext, tmp_path: Path
) -> None:
    for name in ("b/c/too-deep", "b/.hidden", ".git/config", "a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    shown = await run(editor, context, {"command": "view", "path": str(tmp_path)})

    listing = "".join(f"{tmp_path}{name}\n" for name in ("", "/a", "/b", "/b/c"))
    header = f"Here's the files and directories up to 2 levels deep in {tmp_path}, excluding hidden items:\n"
    assert shown == header + listing


async def test_undoing_a_create_removes_the_file_and_makes_parents_before(
    editor: Tool, context: ToolContext, tmp_path: Path
) -> None:
    path = str(tmp_path / "new/dir/f")
    await run(editor, context, {"command": "create", "path": path, "file_text": "x"})
    assert harvest(tmp_path) == {"new/dir/f": "x"}

    text = await run(editor, context, {"command": "undo_edit", "path": path})

    assert text == f"Last edit to {path} undone successfully. The file does not exist any more."
    assert harvest(tmp_path) == {}


async def test_undo_stays_within_the_conversation(editor: Tool, context: ToolContext, tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    await run(editor, context, {"command": "create", "path": path, "file_text": "x"})

    result = await outcome(editor, replace(context, conversation_id="c2"), {"command": "undo_edit", "path": path})

    assert result == {"error": f"No edit history found for {path}."}


async def test_undo_does_not_lose_what_others_wrote_since(editor: Tool, context: ToolContext, tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    await run(editor, context, {"command": "create", "path": path, "file_text": "x"})
    (tmp_path / "f").write_text("theirs")

    result = await outcome(editor, context, {"command": "undo_edit", "path": path})

    assert "was changed since its last edit" in result["error"]
    assert harvest(tmp_path) == {"f": "theirs"}


async def test_undo_passes_over_edits_that_were_only_planned(
    editor: Tool, context: ToolContext, tmp_path: Path
) -> None:
    path = tmp_path / "f"
    path.write_text("one")
    await run(editor, context, {"command": "str_replace", "path": str(path), "old_str": "one", "new_str": "two"})
    await run(editor, context, {"command": "str_replace", "path": str(path), "old_str": "two", "new_str": "planned"})
    path.write_text("two")

    await run(editor, context, {"command": "undo_edit", "path": str(path)})

    assert path.read_text() == "one"
    assert "No edit history" in (await outcome(editor, context, {"command": "undo_edit", "path": str(path)}))["error"]


async def test_classifying_shows_the_diff_and_changes_nothing(
    editor: Tool, context: ToolContext, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("a\nb\n")
    edit = {"command": "str_replace", "path": f"{tmp_path}/f", "old_str": "b", "new_str": "c"}

    classified = await editor.classify(editor.spec.input.parse("", edit), context)

    (touched,) = classified.paths
    assert (classified.effect, touched.kind, touched.path) == (Effect.WRITE, "modify", tmp_path / "f")
    assert touched.before == context.files.state(context.files.place("f", tmp_path)).digest
    assert classified.diff is not None and classified.diff.endswith("@@ -1,2 +1,2 @@\n a\n-b\n+c\n")
    assert harvest(tmp_path) == {"f": "a\nb\n"}


async def test_a_view_is_a_known_safe_read(editor: Tool, context: ToolContext, tmp_path: Path) -> None:
    view = editor.spec.input.parse("", {"command": "view", "path": str(tmp_path)})

    classified = await editor.classify(view, context)

    assert (classified.effect, classified.danger, classified.diff) == (Effect.READ, Danger.KNOWN_SAFE, None)


async def test_a_view_outside_the_workspace_is_shown_for_consent_and_refused_without(
    editor: Tool, context: ToolContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text("s")
    for path in (outside, outside / "secret"):
        view = editor.spec.input.parse("", {"command": "view", "path": str(path)})

        classified = await editor.classify(view, context)
        assert [effect.path for effect in classified.outside] == [path]
        with pytest.raises(ToolError) as caught:
            await editor.call(view, context)
        assert caught.value.code == "outside_workspace"

        permitted = replace(context, files=context.files.permitting([path]))
        assert "s" in editor.render(view, await editor.call(view, permitted))


async def test_a_file_that_cannot_be_written_is_named_with_the_reason(
    editor: Tool, context: ToolContext, tmp_path: Path
) -> None:
    files = FailingFiles([tmp_path])
    files.failing.add("f")

    result = await outcome(
        editor, replace(context, files=files), {"command": "create", "path": f"{tmp_path}/f", "file_text": "x"}
    )

    assert result == {"error": f"Ran into no space left on device while trying to write to {tmp_path}/f"}


async def test_bytes_that_are_no_text_are_refused(editor: Tool, context: ToolContext, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(range(256)))

    result = await outcome(editor, context, {"command": "view", "path": f"{tmp_path}/f"})

    assert result["error"] == f"Ran into bytes that are no UTF-8 text (at 128) while trying to read {tmp_path}/f"


async def test_a_view_too_large_for_one_result_names_the_way_to_read_it(
    editor: Tool, context: ToolContext, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("x" * 100)

    with pytest.raises(OutputTooLarge, match="view_range"):
        await run(editor, replace(context, max_output_bytes=99), {"command": "view", "path": f"{tmp_path}/f"})


async def test_an_edit_that_is_done_never_fails_for_its_report(
    editor: Tool, context: ToolContext, tmp_path: Path
) -> None:
    create = editor.spec.input.parse("", {"command": "create", "path": f"{tmp_path}/f", "file_text": "x" * 1_000})

    output = await editor.call(create, replace(context, max_output_bytes=400))

    assert output.diff.endswith("[cut after 100 bytes]\n")


async def test_the_history_forgets_the_oldest_beyond_its_capacity() -> None:
    from toolscript_tools.editor.history import History, Step

    history = History(capacity=10)
    for number in range(3):
        history.push(Step(conversation="c", path=Path(f"/{number}"), before=b"12345", after=""))

    assert [len(history.of("c", Path(f"/{number}"))) for number in range(3)] == [0, 1, 1]
