"""fileSearch: globs sorted by path, fuzzy queries best first."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tools.files.world import plant, plant_undecodable, text_of, use, world

from toolscript.errors import InvalidArguments, OutputTooLarge, ToolError
from toolscript.files import OverlayFiles
from toolscript_tools.search import FileSearch
from toolscript_tools.search.fuzzy import Target, compile_query

search = FileSearch()


async def paths(context: Any, **arguments: Any) -> list[str]:
    return [found.path for found in await use(search, context, **arguments)]


def ranked(query: str, *candidates: str) -> list[str]:
    score = compile_query(query)
    scored = [(points, path) for path in candidates if (points := score(Target.of(path))) is not None]
    return [path for _, path in sorted(scored, key=lambda pair: (-pair[0], pair[1]))]


@pytest.mark.parametrize(
    ("query", "better", "worse"),
    [
        ("foo", "src/foo", "src/foobar"),
        ("foo", "src/foo.ts", "src/foobar.ts"),
        ("foo", "foo.ts", "foo/bar.ts"),
        ("foo", "a/foo.ts", "a/xfoo.ts"),
        ("foo", "a/foo.ts", "a/f/o/o.ts"),
        ("foo", "a/foo.ts", "a/fxoxo.ts"),
        ("foo", "a/my-foo.ts", "a/myxfoo.ts"),
        ("fb", "src/foo_bar.ts", "src/fxxb.ts"),
        ("fb", "src/FooBar.ts", "src/foobar.ts"),
        ("fb", "src/foo/bar.ts", "src/fxb.ts"),
        ("main", "deep/down/main.py", "main/deep/down.py"),
        ("read", "tools/read.py", "tools/thread.py"),
        ("config", "config.toml", "my/reconfigure.py"),
        ("ab", "xab", "xaxb"),
        ("ab", "xaxb", "xaxxxxb"),
        ("tst util", "tests/util.py", "tests/xuxtxixl.py"),
        ("Ünï", "x/ünï.txt", "x/ü-n-ï.txt"),
    ],
)
def test_the_better_match_comes_first(query: str, better: str, worse: str):
    assert ranked(query, worse, better) == [better, worse]


@pytest.mark.parametrize(
    ("query", "path", "fits"),
    [
        ("FOO", "foo", True), ("foo", "FOO", True), ("abc", "a/b/c", True), ("abc", "acb", False),
        ("foo bar", "bar/foo", True), ("foo bar", "foo", False), ("'foo", "f/o/o", False), ("'foo", "xfooy", True),
        ("^src", "src/a", True), ("^src", "a/src", False), (".ts$", "a.ts", True), (".ts$", "a.tsx", False),
        ("^a$", "a", True), ("^a$", "ab", False), ("!test", "src/a", True), ("!test", "test/a", False), ("!^a", "ba", True),
        ("!^a", "ab", False), ("src !test", "src/test.ts", False), (r"a\ b", "a b", True), (r"a\ b", "b a", False),
        ("naive", "naïve", True), ("naïve", "naive", False), ("naïve", "nai\u0308ve", True), ("", "a", True), ("!", "a!", True),
        ("^", "a^", True), ("$", "a", False), ("STRASSE", "straße", False), ("é", "É", True), ("..", "a.b", False),
    ],
)  # fmt: skip
def test_what_a_query_means(query: str, path: str, fits: bool):
    assert (compile_query(query)(Target.of(path)) is not None) is fits


@given(st.text(max_size=20), st.text(min_size=1, max_size=60))
def test_any_query_can_be_scored_against_any_path(query: str, path: str):
    points = compile_query(query)(Target.of(path))
    assert points is None or isinstance(points, int)


@given(st.text(alphabet="ab/._-AB", min_size=1, max_size=6), st.text(alphabet="ab/._-AB", min_size=1, max_size=12))
def test_a_fuzzy_part_fits_exactly_where_its_characters_occur_in_order(query: str, path: str):
    rest = iter(path.lower())
    assert (compile_query(query)(Target.of(path)) is not None) is all(char in rest for char in query.lower())


@given(st.text(alphabet="ab/.A", min_size=1, max_size=5), st.text(alphabet="ab/.A", min_size=1, max_size=10))
def test_the_score_is_that_of_the_best_of_all_ways_to_find_the_characters(query: str, path: str):
    from itertools import combinations

    from toolscript_tools.search import fuzzy

    target = Target.of(path)
    wanted = query.lower()

    def points(places: tuple[int, ...]) -> int:
        total, run, previous = 0, 0, -2
        for at in places:
            worth = target.worth[at]
            if previous == -2:
                total, run = fuzzy.MATCH + 2 * worth, worth
            elif at == previous + 1:
                run = max(worth, run, fuzzy.IN_RUN)
                total += fuzzy.MATCH + run
            else:
                total += fuzzy.MATCH + worth - fuzzy.GAP_START - fuzzy.GAP * (at - previous - 2)
                run = worth
            previous = at
        return total

    ways = [
        w
        for w in combinations(range(len(path)), len(wanted))
        if all(target.text[a] == c for a, c in zip(w, wanted, strict=True))
    ]
    found = fuzzy._best(wanted, target.text, target.worth)
    assert (found is None) is (not ways)
    if found is not None:
        # A run may be begun afresh where that is worth more, so the best way is a bound from below.
        assert found >= max(points(way) for way in ways)


pytestmark = pytest.mark.anyio


async def test_globs_find_files_by_path(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"b.ts": "", "a/z.ts": "", "a-b.ts": "", "a/x.js": "", ".h/y.ts": "", "ts/": ""})
    assert await paths(context, pattern="**/*.ts") == [".h/y.ts", "a/z.ts", "a-b.ts", "b.ts"]
    assert await paths(context, pattern="*.{js,ts}", path="a") == ["a/x.js", "a/z.ts"]
    assert await paths(context, pattern="ts/") == ["ts/"]
    assert search.spec.output.dump(await use(search, context, pattern="b.ts")) == [{"path": "b.ts"}]


async def test_queries_find_files_and_directories_best_first(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"src/read.py": "", "src/thread.py": "", "read/": "", "other": ""})
    found = await use(search, context, query="read")
    assert [one.path for one in found] == ["read/", "src/read.py", "src/thread.py"]
    assert all(a.score >= b.score for a, b in itertools.pairwise(found))
    assert await paths(context, query="read", limit=1, offset=2) == ["src/read.py"]
    assert await text_of(search, context, query="read", limit=1) == "read/\n(1 of 3 shown)"
    assert await text_of(search, context, query="zzz") == "No files found."


async def test_equal_scores_come_by_path(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", dict.fromkeys(("c/x.py", "a/x.py", "b/x.py"), ""))
    assert await paths(context, query="x.py") == ["a/x.py", "b/x.py", "c/x.py"]


async def test_ignored_files_and_version_control_are_left_out_and_hidden_ones_are_not(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(
        tmp_path / "w",
        {".git/config": "", ".gitignore": "dist/\n*.log", "dist/a.js": "", "b.js": "", "x.log": "", ".env": ""},
    )
    assert await paths(context, pattern="*") == [".env", ".gitignore", "b.js"]
    assert await paths(context, pattern="*", ignored=True) == [".env", ".gitignore", "b.js", "dist/a.js", "x.log"]
    assert await paths(context, pattern="*", exclude=["b.*", ".*"]) == []


async def test_ignore_files_count_only_in_a_repository(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {".gitignore": "*.log", "x.log": ""})
    assert "x.log" in await paths(context, query="log")


async def test_links_inside_are_followed_once_and_links_outside_are_not(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path, {"outside/secret.txt": "", "w/real/f.txt": ""})
    for link, target in (
        ("linked", "real"),
        ("loop", "."),
        ("out", "../outside"),
        ("real/up", ".."),
        ("l.txt", "real/f.txt"),
    ):
        (tmp_path / "w" / link).symlink_to(target)
    found = await paths(context, pattern="*.txt")
    assert "l.txt" in found
    assert [path for path in found if "secret" in path] == []
    assert len([path for path in found if path.endswith("f.txt")]) == 1


async def test_a_star_in_a_query_makes_it_a_pattern(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"a/x.py": "", "b.py": "", "c.ts": ""})
    assert await paths(context, query="**/*.py") == ["a/x.py", "b.py"]


async def test_a_plan_is_searched_as_it_would_be(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"a.py": "", "b.py": ""})
    plan = OverlayFiles(context.files)
    plan.delete(plan.place("a.py", tmp_path / "w"))
    plan.write(plan.place("n/c.py", tmp_path / "w"), b"", create_dirs=True)
    assert await paths(replace(context, files=plan), pattern="*.py") == ["b.py", "n/c.py"]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"query": " "}, {"query": "a", "pattern": "b"}, {"pattern": "["}, {"pattern": "a", "exclude": ["["]},
     {"query": "x" * 300}, {"query": "a", "limit": 0}, {"query": "a", "offset": 0}],
)  # fmt: skip
async def test_arguments_that_cannot_be_are_refused(arguments: dict[str, Any], tmp_path: Path):
    with pytest.raises(InvalidArguments):
        await use(search, world(tmp_path / "w"), **arguments)


@pytest.mark.parametrize(
    ("path", "code"), [("gone", "not_found"), ("f", "not_a_directory"), ("..", "outside_workspace")]
)
async def test_a_start_that_cannot_be_searched_is_told(path: str, code: str, tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"f": ""})
    with pytest.raises(ToolError) as caught:
        await use(search, context, pattern="*", path=path)
    assert caught.value.code == code


async def test_more_than_a_result_carries_is_refused_naming_offset_and_limit(tmp_path: Path):
    context = world(tmp_path / "w", max_output_bytes=500)
    plant(tmp_path / "w", {f"{n:03}": "" for n in range(100)})
    with pytest.raises(OutputTooLarge, match="offset and limit"):
        await use(search, context, pattern="*")
    assert await paths(context, pattern="*", offset=100) == ["099"]


async def test_names_that_are_no_text_are_left_out(tmp_path: Path):
    context = world(tmp_path / "w")
    plant_undecodable(tmp_path / "w")
    assert await paths(context, pattern="*.py") == []
