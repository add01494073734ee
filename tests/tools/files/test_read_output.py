"""readOutput: the full value behind a truncated output, in parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tools.files.world import use, world

from toolscript.errors import InvalidArguments, OutputTooLarge, ToolError
from toolscript_tools.outputs import ReadOutput

pytestmark = pytest.mark.anyio
read = ReadOutput()


async def test_parts_make_up_the_whole(tmp_path: Path):
    context = world(tmp_path / "w", max_output_bytes=1000)
    text = "é" * 3000
    handle = context.outputs.keep(text.encode())
    parts = [await use(read, context, handle=handle, offset=at, limit=400) for at in range(0, 3000, 400)]
    assert "".join(parts) == text
    with pytest.raises(OutputTooLarge, match=r"3000 characters.*offset and limit"):
        await use(read, context, handle=handle)


async def test_a_handle_that_is_gone_is_not_found(tmp_path: Path):
    with pytest.raises(ToolError) as caught:
        await use(read, world(tmp_path / "w"), handle="out-9")
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("arguments", [{"offset": -1}, {"limit": 0}, {"offset": 6}])
async def test_a_part_that_is_not_there_is_an_invalid_argument(arguments: dict[str, int], tmp_path: Path):
    context = world(tmp_path / "w")
    handle = context.outputs.keep(b"12345")
    with pytest.raises(InvalidArguments):
        await use(read, context, handle=handle, **arguments)


async def test_bytes_that_are_no_text_are_shown_as_such(tmp_path: Path):
    context = world(tmp_path / "w")
    assert await use(read, context, handle=context.outputs.keep(b"a\xffb")) == "a\ufffdb"
