"""readFile: the exact text for scripts, numbered lines for structured calls."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from tests.tools.files.rows import READ
from tests.tools.files.world import text_of, use, world

from toolscript.errors import InvalidArguments, OutputTooLarge, ToolError
from toolscript.registry.classification import Danger, Effect
from toolscript_tools.files import ReadFile

pytestmark = pytest.mark.anyio
read = ReadFile()


@pytest.mark.parametrize(("name", "content", "arguments", "expected"), READ, ids=[row[0] for row in READ])
async def test_row(name: str, content: bytes, arguments: dict[str, Any], expected: dict[str, str], tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "f").write_bytes(content)
    if "error" in expected:
        with pytest.raises(ToolError) as caught:
            await text_of(read, context, path="f", **arguments)
        assert caught.value.message == expected["error"]
    else:
        assert await text_of(read, context, path="f", **arguments) == expected["output"]


@pytest.mark.parametrize("content", ["", "a", "a\n", "a\r\nb\rc\n", "\ufeffBOM\n", "ä\u2028é\n\n", "x\x00y\n"])
async def test_a_script_gets_the_exact_text(content: str, tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "f").write_bytes(content.encode())
    assert await use(read, context, path="f") == content


@pytest.mark.parametrize(
    ("offset", "limit", "expected"),
    [(1, 1, "a\r\n"), (2, 2, "b\nc"), (3, 9, "c"), (None, 2, "a\r\nb\n"), (2, None, "b\nc")],
)
async def test_offset_and_limit_name_whole_lines_with_their_ends(offset, limit, expected, tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "f").write_bytes(b"a\r\nb\nc")
    given = {k: v for k, v in {"offset": offset, "limit": limit}.items() if v is not None}
    assert await use(read, context, path="f", **given) == expected


async def test_an_empty_file_is_an_empty_text_for_a_script(tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "f").touch()
    assert await use(read, context, path="f") == ""
    assert await text_of(read, context, path="f") == "offset exceeds file length"


async def test_lines_are_counted_from_the_offset_also_across_chunks(tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "f").write_text("".join(f"line {n} {'x' * 90}\n" for n in range(1, 20_001)))
    assert (await use(read, context, path="f", offset=15_000, limit=2)).startswith("line 15000 x")
    shown = await text_of(read, context, path="f", offset=19_999, limit=5)
    assert [line[:17] for line in shown.split("\n")] == ["L19999: line 1999", "L20000: line 2000"]


async def test_the_text_of_a_structured_call_is_cut_and_the_scripts_is_not(tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "f").write_text("é" * 400 + "\n" + "y\n" * 2500)
    shown = (await text_of(read, context, path="f")).split("\n")
    assert shown[0] == "L1: " + "é" * 250
    assert len(shown) == 2000
    assert len(await use(read, context, path="f")) == 401 + 5000


async def test_more_than_a_result_carries_is_refused_naming_offset_and_limit(tmp_path: Path):
    context = world(tmp_path / "w", max_output_bytes=1000)
    (tmp_path / "w" / "f").write_text("0123456789\n" * 100)
    with pytest.raises(OutputTooLarge, match="offset and limit"):
        await use(read, context, path="f")
    assert len(await use(read, context, path="f", limit=90)) == 990


async def test_a_huge_sparse_file_is_refused_without_being_read(tmp_path: Path):
    context = world(tmp_path / "w", max_output_bytes=1000)
    with (tmp_path / "w" / "f").open("wb") as file:
        file.truncate(20 << 30)
    with pytest.raises(OutputTooLarge):
        await use(read, context, path="f")


async def test_base64_returns_every_byte(tmp_path: Path):
    context = world(tmp_path / "w")
    data = bytes(range(256))
    (tmp_path / "w" / "f").write_bytes(data)
    assert base64.b64decode(await use(read, context, path="f", encoding="base64")) == data
    text = await use(read, context, path="f")
    assert text.encode() and "\ufffd" in text


@pytest.mark.parametrize("spelling", ["path", "filePath", "file_path"])
async def test_the_names_that_models_use_for_the_path_are_known(spelling: str, tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "f").write_text("x\n")
    assert await use(read, context, **{spelling: "f"}) == "x\n"


async def test_an_anchor_beyond_the_file_is_named(tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "f").write_text("x\n")
    with pytest.raises(InvalidArguments, match="anchor_line exceeds file length"):
        await use(read, context, path="f", mode="indentation", indentation={"anchor_line": 2})


@pytest.mark.parametrize(
    ("block", "message"),
    [({"anchorLine": 0}, "anchor_line must be a 1-indexed line number"),
     ({"maxLines": 0}, "max_lines must be greater than zero")],
)  # fmt: skip
async def test_a_block_argument_that_cannot_be_is_named(block: dict[str, int], message: str, tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "f").write_text("x\n")
    with pytest.raises(InvalidArguments) as caught:
        await use(read, context, path="f", mode="indentation", indentation=block)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda p: None, "not_found"),
        (lambda p: p.mkdir(), "is_directory"),
        (lambda p: os.mkfifo(p), "not_a_file"),
        (lambda p: p.symlink_to("/etc/passwd"), "outside_workspace"),
        (lambda p: p.symlink_to("/proc/self/environ"), "bad_path"),
        (lambda p: p.symlink_to("/dev/zero"), "bad_path"),
        (lambda p: p.symlink_to(p.name), "bad_path"),
    ],
)
async def test_what_is_no_file_inside_is_refused_by_its_given_name(make, code: str, tmp_path: Path):
    context = world(tmp_path / "w")
    make(tmp_path / "w" / "odd")
    with pytest.raises(ToolError) as caught:
        await use(read, context, path="odd")
    assert caught.value.code == code
    assert caught.value.tool in ("readFile", "")
    assert str(tmp_path) not in caught.value.message


async def test_reads_inside_are_known_to_be_safe_and_outside_are_not(tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "f").write_text("x")
    inside = await read.classify(read.spec.input.check({"path": "f"}), context)
    outside = await read.classify(read.spec.input.check({"path": "../x"}), context)
    assert (inside.effect, inside.danger, inside.outside) == (Effect.READ, Danger.KNOWN_SAFE, ())
    assert (outside.danger, outside.outside[0].path) == (Danger.ORDINARY, tmp_path / "x")
    assert outside.remember == str(tmp_path / "x")
