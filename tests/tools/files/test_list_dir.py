"""listDir: entries for scripts, an indented tree for structured calls."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.tools.files.rows import LIST
from tests.tools.files.world import plant, plant_undecodable, text_of, use, world

from toolscript.errors import OutputTooLarge, ToolError
from toolscript_tools.files import ListDir

pytestmark = pytest.mark.anyio
listing = ListDir()


@pytest.mark.parametrize(("name", "tree", "arguments", "expected"), LIST, ids=[row[0] for row in LIST])
async def test_row(
    name: str, tree: dict[str, str], arguments: dict[str, Any], expected: dict[str, Any], tmp_path: Path
):
    root = tmp_path / "w"
    root.mkdir()
    plant(root, tree)
    given = dict(arguments)
    context = world(root, hidden=[root / path for path in given.pop("deny_read", [])])
    if "error" in expected:
        with pytest.raises(ToolError) as caught:
            await text_of(listing, context, path=str(root), **given)
        assert caught.value.message == expected["error"]
    else:
        text = await text_of(listing, context, path=str(root), **given)
        first, *lines = text.split("\n")
        assert first == f"Absolute path: {root}"
        assert lines == expected["lines"]


async def test_a_script_gets_paths_that_other_tools_take(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"src/a.ts": "abc", "src/deep/b.ts": "", "src/link": "symlink:a.ts", "top": "x"})
    output = await use(listing, context, path="src")
    assert listing.spec.output.dump(output) == [
        {"path": "src/a.ts", "type": "file", "size": 3},
        {"path": "src/deep", "type": "directory", "size": 0},
        {"path": "src/deep/b.ts", "type": "file", "size": 0},
        {"path": "src/link", "type": "symlink", "size": 0},
    ]


async def test_an_empty_directory_shows_its_header_alone(tmp_path: Path):
    context = world(tmp_path / "w")
    assert await text_of(listing, context, offset=5) == f"Absolute path: {tmp_path / 'w'}"


async def test_links_are_named_and_never_followed(tmp_path: Path):
    outside = tmp_path / "outside"
    plant(tmp_path, {"outside/secret": "x"})
    context = world(tmp_path / "w")
    (tmp_path / "w" / "link").symlink_to(outside)
    assert [entry.path for entry in await use(listing, context)] == ["link"]


async def test_hidden_files_are_listed_and_25_entries_are_shown(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {f"{n:03}": "" for n in range(40)} | {".hidden": ""})
    lines = (await text_of(listing, context)).split("\n")
    assert lines[1] == ".hidden"
    assert lines[-1] == "More than 25 entries found"
    assert len(await use(listing, context)) == 41


async def test_names_that_are_no_text_are_left_out(tmp_path: Path):
    context = world(tmp_path / "w")
    plant_undecodable(tmp_path / "w")
    plant(tmp_path / "w", {"good": ""})
    assert [entry.path for entry in await use(listing, context)] == ["good"]


async def test_more_than_a_result_carries_is_refused_naming_offset_and_limit(tmp_path: Path):
    context = world(tmp_path / "w", max_output_bytes=2000)
    plant(tmp_path / "w", {f"{n:03}": "" for n in range(100)})
    with pytest.raises(OutputTooLarge, match="offset and limit"):
        await use(listing, context)
    assert [entry.path for entry in await use(listing, context, offset=99, limit=5)] == ["098", "099"]


async def test_a_tree_of_thousands_of_levels_ends_cleanly(tmp_path: Path):
    context = world(tmp_path / "w")
    here = os.open(tmp_path / "w", os.O_RDONLY)
    for _ in range(2500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        output = await use(listing, context, depth=5000, offset=1900, limit=50)
    finally:
        await anyio.run_process(["rm", "-rf", str(tmp_path / "w")])
    assert len(output) == 50


@pytest.mark.parametrize(
    ("path", "code"), [("gone", "not_found"), ("file", "not_a_directory"), ("..", "outside_workspace")]
)
async def test_what_cannot_be_listed_is_told(path: str, code: str, tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"file": ""})
    with pytest.raises(ToolError) as caught:
        await use(listing, context, path=path)
    assert caught.value.code == code
    assert str(tmp_path) not in caught.value.message


async def test_a_directory_moved_away_during_a_walk_shows_only_what_was_inside(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path, {f"w/sub/{n}/in": "" for n in range(20)} | {"elsewhere/": "", "outside/secret": ""})
    inside, away = tmp_path / "w" / "sub", tmp_path / "elsewhere" / "sub"
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            inside.rename(away)
            inside.symlink_to(tmp_path / "outside")
            inside.unlink()
            away.rename(inside)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(100):
            names = {entry.path.rpartition("/")[2] for entry in await use(listing, context, depth=5)}
            assert names <= {"sub", "in", *map(str, range(20))}
    finally:
        stop.set()
        thread.join()
