"""What one result may carry is measured in the bytes of the value, whatever script it is written in."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolscript.harness import Harness
from toolscript.limits import MIB

pytestmark = pytest.mark.anyio

READ = "const text = await readFile('big.txt'); return [text.length, text.slice(0, 4)]"


@pytest.mark.parametrize(
    "character",
    ["漢", "я", "😀", '"', "\\", "\n", "a\n", "\x01", "\r\n"],
    ids=["Chinese", "Cyrillic", "emoji", "quote", "backslash", "line feed", "short lines", "control", "CRLF"],
)
async def test_a_text_of_one_mebibyte_reaches_the_script_whole(tmp_path: Path, character: str):
    text = character * (MIB // len(character.encode()))
    (tmp_path / "big.txt").write_bytes(text.encode())
    async with Harness(workspace=tmp_path) as harness:
        run = await harness.run(READ)

    units = len(text.encode("utf-16-le")) // 2
    assert (run.error, run.result) == (None, [units, text.encode("utf-16-le")[:8].decode("utf-16-le")])


async def test_a_text_beyond_the_limit_is_refused_with_the_way_to_read_it(tmp_path: Path):
    (tmp_path / "big.txt").write_text("漢" * (MIB // 3 + 1))
    async with Harness(workspace=tmp_path) as harness:
        run = await harness.run("try { await readFile('big.txt') } catch (e) { return [e.code, e.details.arguments] }")

    assert run.result == ["output_too_large", ["offset", "limit"]]
