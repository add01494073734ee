"""grepFiles: what is found, with ripgrep and without it."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.needs import need
from tests.tools.files.world import plant, text_of, use, world
from tests.tools.search.tree import grow

from toolscript.errors import InvalidArguments, OutputTooLarge, ToolError
from toolscript.files import OverlayFiles
from toolscript_tools.search import GrepFiles, grep_files, ripgrep
from toolscript_tools.search.pattern import compile_pattern

pytestmark = pytest.mark.anyio
grep = GrepFiles()


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("forest") / "w"
    root.mkdir()
    grow(root)
    return root


async def found(context: Any, /, **arguments: Any) -> list[dict[str, Any]]:
    return grep.spec.output.dump(await use(grep, context, **arguments))


QUERIES: list[dict[str, Any]] = [
    *({"pattern": pattern} for pattern in [
        "TODO", "todo", "^TODO", "TODO$", "^$", "^", ".", "a.b", r"\bTODO\b", r"\w+", r"^\w+$", r"\d", r"\s\s", r"\S+\s\S+",
        "[^a-z ]", "[a-z]+ [a-z]+", "(alpha|beta) ", "(?i)todo", "(?i:TODO) ", "é", "caf.$", "na.ve", "ﬁ", "ß", "STRASSE",
        r"\p{Lu}{2,}", r"\P{L}+", r"[\s\S]x", r"[[:alpha:]]+", r"[^[:space:]]{5}", r"\x41|\u0054", r"foo\(bar\)", "foo(bar)",
        "x = 1;", "{", "a{2,}", "http://", r"\.b/", "a\tb", r"a\tb", "(?P<name>beta)", "[]x]", "[^]x]", "a?b?c?", "²", r"TODO\r",
        "\\W$", "-", "--files", "first", "^TODO first",
    ]),
    *({"pattern": pattern, "ignoreCase": True} for pattern in ["todo", "STRASSE", "É", "ﬁSH", "[A-C]LPHA", r"\bTODO:"]),
    *({"pattern": pattern, "literal": True} for pattern in ["foo(bar)", "x = 1;", ".", "a\tb", "http://a.b/c", "(?i)", r"\w"]),
    {"pattern": "TODO", "hidden": True},
    {"pattern": "TODO", "ignored": True},
    {"pattern": "TODO", "hidden": True, "ignored": True},
    {"pattern": "TODO", "path": "src"},
    {"pattern": "TODO", "path": "nested/more"},
    {"pattern": "TODO", "path": "build"},
    {"pattern": "TODO", "path": "repo/in"},
    {"pattern": "TODO", "path": "link.txt"},
    {"pattern": "TODO", "path": "linked"},
    {"pattern": "TODO", "include": "*.txt"},
    {"pattern": "TODO", "include": "src/**/*.{ts,log}"},
    {"pattern": "TODO", "include": "!src"},
    {"pattern": "TODO", "mode": "files"},
    {"pattern": "TODO", "mode": "counts"},
    {"pattern": "TODO", "context": 2},
    {"pattern": "TODO", "limit": 7, "offset": 3},
]  # fmt: skip


@pytest.mark.parametrize(
    "query", QUERIES, ids=lambda query: " ".join(map(str, query.values())).encode("unicode_escape").decode()
)
async def test_results_are_the_same_with_and_without_ripgrep(query: dict[str, Any], forest: Path, monkeypatch):
    need("ripgrep")
    context = world(forest)
    monkeypatch.setattr(ripgrep, "FEW_FILES", 0)
    with_it = await found(context, **query)
    monkeypatch.setattr(grep_files, "program", lambda roots: None)
    assert await found(context, **query) == with_it


async def test_the_comparison_compares_something(forest: Path, monkeypatch):
    need("ripgrep")
    asked: list[int] = []
    original = ripgrep._ask

    async def counted(rg: str, arguments: list[str], files: list[str]) -> set[str]:
        kept = await original(rg, arguments, files)
        asked.append(len(files) - len(kept))
        return kept

    monkeypatch.setattr(ripgrep, "_ask", counted)
    assert await found(world(forest), pattern="TODO first")
    assert asked and asked[0] > 0


async def test_the_files_are_those_that_ripgrep_itself_would_search(forest: Path):
    need("ripgrep")
    done = subprocess.run(
        ["rg", "--no-config", "--files", "--null", "--no-ignore-global"], cwd=forest, capture_output=True, check=True
    )
    theirs = {name for name in os.fsdecode(done.stdout).split("\0") if name}
    empty_or_binary = {"empty", "binary"}
    ours = {match["path"] for match in await found(world(forest), pattern="^", mode="files")}
    # We read hidden files never, ripgrep those that an ignore file takes back; neither finds lines in an empty one.
    unsaid = {name for name in theirs if not (forest / name).read_bytes() or "/." in name} | empty_or_binary
    assert ours == {name for name in theirs if "\udcff" not in name} - unsaid


async def test_a_script_gets_path_line_and_text(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"src/b.ts": "one\n// TODO: two\n", "src/a.ts": "TODO\r\nTODO again\n", "c.txt": "TODO"})
    assert await found(context, pattern="TODO", path="src") == [
        {"path": "src/a.ts", "line": 1, "text": "TODO"},
        {"path": "src/a.ts", "line": 2, "text": "TODO again"},
        {"path": "src/b.ts", "line": 2, "text": "// TODO: two"},
    ]


async def test_lines_around_are_given_on_both_sides_even_where_hits_are_near(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"f": "1\n2\nX3\n4\nX5\n6\n7\n8\nX9"})
    assert await found(context, pattern="X", context=2) == [
        {"path": "f", "line": 3, "text": "X3", "before": ["1", "2"], "after": ["4", "X5"]},
        {"path": "f", "line": 5, "text": "X5", "before": ["X3", "4"], "after": ["6", "7"]},
        {"path": "f", "line": 9, "text": "X9", "before": ["7", "8"], "after": []},
    ]


async def test_files_come_newest_first_and_counts_by_path(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"a": "X\nX", "b": "X", "c": "y"})
    os.utime(tmp_path / "w" / "a", (1, 1))
    assert await found(context, pattern="X", mode="files") == [{"path": "b"}, {"path": "a"}]
    assert await found(context, pattern="X", mode="counts") == [{"path": "a", "count": 2}, {"path": "b", "count": 1}]
    assert await text_of(grep, context, pattern="X") == "b\na"
    assert await text_of(grep, context, pattern="X", mode="lines") == "a:1:X\na:2:X\nb:1:X"
    assert await text_of(grep, context, pattern="X", mode="counts") == "a:2\nb:1"
    assert await text_of(grep, context, pattern="none") == "No matches found."


async def test_a_glob_chooses_files_and_one_with_a_mark_leaves_them_out(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"a.ts": "X", "b.js": "X", "dist/c.ts": "X"})
    for include, expected in (("*.ts", ["a.ts", "dist/c.ts"]), ("!dist", ["a.ts", "b.js"]), ("!*.ts", ["b.js"])):
        assert [match["path"] for match in await found(context, pattern="X", include=include)] == expected


async def test_the_text_shows_a_hundred_files_unless_told_otherwise(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {f"{n:03}": "X" for n in range(150)})
    assert len((await text_of(grep, context, pattern="X")).split("\n")) == 100
    assert len((await text_of(grep, context, pattern="X", limit=120)).split("\n")) == 120
    assert len(await found(context, pattern="X")) == 150


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pattern": ""}, "pattern must not be empty"),
        ({"pattern": "  "}, "pattern must not be empty"),
        ({"pattern": "x", "limit": 0}, "limit must be greater than zero"),
        ({"pattern": "x", "offset": 0}, "offset must be greater than zero"),
        ({"pattern": "x", "context": 51}, "context must be between 0 and 50"),
        ({"pattern": "x", "include": "["}, "the glob has a [ without its ]"),
    ],
)
async def test_arguments_that_cannot_be_are_named(arguments: dict[str, Any], message: str, tmp_path: Path):
    with pytest.raises(InvalidArguments) as caught:
        await use(grep, world(tmp_path / "w"), **arguments)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("(?=x)", "ahead or behind"), ("(?<!x)y", "ahead or behind"), (r"(a)\1", "back-references"), (r"\k<n>", "back-references"),
        ("(?P=n)", "is not taken"), ("(?x) a", "is not taken"), ("a++", "possessive"), ("a**", "repetition"), ("(", "without its )"),
        (")", "without its ("), ("[a", "without its ]"), ("[a&&b]", "&&"), (r"\Z", "ends of the line"), (r"\<w", r"\\b"),
        ("a\nb", "line break"), (r"a\nb", "line break"), ("a\\", "backslash"), ("*a", "nothing to repeat"), (r"\xD800", ""),
        ("x" * 5000, "4096"), ("(?i)(?i)a", "beginning"), (r"\q", "not taken"), ("[b-a]", "range"), (r"\u{D800}", "no character"),
    ],
)  # fmt: skip
async def test_a_pattern_that_the_two_engines_would_read_differently_is_refused(
    pattern: str, hint: str, tmp_path: Path
):
    context = world(tmp_path / "w")
    if pattern == r"\xD800":
        assert await found(context, pattern=pattern) == []
        return
    with pytest.raises(ToolError, match=hint.replace("(", r"\(").replace(")", r"\)")) as caught:
        await use(grep, context, pattern=pattern)
    assert caught.value.code == "bad_pattern"


@pytest.mark.parametrize(
    ("pattern", "required"),
    [("class \\w+Error", b"class "), ("a|b", None), ("abc?d", b"ab"), ("abc+d", b"abc"), ("(abc)d", b"d"), ("ab{0,2}c", b"a"),
     ("^a$", b"a"), ("^", None), (".", None), ("(?i)abc", None), ("[abc]", None), ("{x}", b"{x}"), ("aé", "aé".encode()),
     ("x*", None), ("(?:a|b)cd", None)],
)  # fmt: skip
def test_what_every_match_must_hold_is_known_where_it_is_plain(pattern: str, required: bytes | None):
    assert compile_pattern(pattern).required == required


async def test_a_path_that_is_not_there_is_named_as_it_was_given(tmp_path: Path):
    with pytest.raises(ToolError) as caught:
        await use(grep, world(tmp_path / "w"), pattern="x", path="gone")
    assert (caught.value.message, caught.value.code) == (
        "unable to access `gone`: No such file or directory",
        "not_found",
    )


async def test_outside_is_not_searched_without_consent(tmp_path: Path):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "f").write_text("secret")
    context = world(tmp_path / "w")
    for path in ("../o", "../o/f"):
        with pytest.raises(ToolError) as caught:
            await use(grep, context, pattern="secret", path=path)
        assert caught.value.code == "outside_workspace"
    allowed = replace(context, files=context.files.permitting([tmp_path / "o"]))
    assert len(await found(allowed, pattern="secret", path="../o")) == 1


async def test_hidden_directories_of_the_harness_show_nothing(tmp_path: Path):
    root = tmp_path / "w"
    plant(tmp_path, {"w/state/token": "secret", "w/f": "secret"})
    context = world(root, hidden=[root / "state"])
    assert [match["path"] for match in await found(context, pattern="secret", hidden=True, ignored=True)] == ["f"]


async def test_more_than_a_result_carries_is_refused_naming_offset_and_limit(tmp_path: Path):
    context = world(tmp_path / "w", max_output_bytes=2000)
    plant(tmp_path / "w", {"f": "X\n" * 1000})
    with pytest.raises(OutputTooLarge, match="offset and limit"):
        await use(grep, context, pattern="X")
    part = await found(context, pattern="X", offset=990, limit=5)
    assert [match["line"] for match in part] == [990, 991, 992, 993, 994]


@pytest.mark.parametrize("pattern", [r"(a+)+\d", r"(a|aa)+\d", r"(a?){60}\d", "a?" * 40 + "a" * 40 + r"\d", "(x+x+)+y"])
async def test_a_catastrophic_pattern_ends_and_the_loop_goes_on(pattern: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(grep_files, "SECONDS", 1.0)
    monkeypatch.setattr(grep_files, "program", lambda roots: None)
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"f": "a" * 60 + "!\n" + "x" * 60 + "\n"})
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await anyio.sleep(0.01)
            ticks += 1

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        try:
            await use(grep, context, pattern=pattern)
        except ToolError as error:
            assert error.code == "timed_out"
            assert ticks > 10
        group.cancel_scope.cancel()


async def test_a_huge_binary_and_a_huge_line_do_no_harm(tmp_path: Path):
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"f": "needle"})
    with (tmp_path / "w" / "sparse").open("wb") as file:
        file.truncate(20 << 30)
    (tmp_path / "w" / "line").write_bytes(b"x" * (3 << 20) + b"needle\nneedle\n")
    assert [(match["path"], match["line"]) for match in await found(context, pattern="needle")] == [
        ("f", 1),
        ("line", 2),
    ]


async def test_a_plan_is_searched_as_it_would_be(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(ripgrep, "FEW_FILES", 0)
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"a": "X", "b": "X", "c": "y", ".gitignore": "", ".git/": ""})
    plan = OverlayFiles(context.files)
    plan.write(plan.place("a", tmp_path / "w"), b"nothing")
    plan.write(plan.place("d/e", tmp_path / "w"), b"X", create_dirs=True)
    plan.delete(plan.place("b", tmp_path / "w"))
    plan.write(plan.place("c", tmp_path / "w"), b"X")
    assert [match["path"] for match in await found(replace(context, files=plan), pattern="X")] == ["c", "d/e"]


async def test_links_swapped_in_during_a_search_show_nothing_from_outside(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(ripgrep, "FEW_FILES", 0)
    root, outside = tmp_path / "w", tmp_path / "outside"
    plant(
        tmp_path,
        {f"{base}/{n}": text for base, text in (("w/sub", "inside"), ("outside", "secret")) for n in range(30)},
    )
    context = world(root)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (root / "link").symlink_to(outside)
            (root / "sub").rename(root / "aside")
            (root / "link").rename(root / "sub")
            (root / "sub").unlink()
            (root / "aside").rename(root / "sub")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(30):
            texts = {match["text"] for match in await found(context, pattern="inside|secret")}
            assert texts <= {"inside"}
    finally:
        stop.set()
        thread.join()


async def test_a_cancelled_search_leaves_no_process(tmp_path: Path, monkeypatch):
    script = tmp_path / "bin" / "rg"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    script.chmod(0o755)
    monkeypatch.setattr(ripgrep, "FEW_FILES", 0)
    monkeypatch.setattr(grep_files, "program", lambda roots: str(script))
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"f": "X"})
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: use(grep, context, pattern="X"))
        with anyio.fail_after(20):
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_search_program_in_the_workspace_is_never_run(tmp_path: Path, monkeypatch):
    plant(tmp_path, {"w/bin/rg": "#!/bin/sh\ntouch ran\n", "w/f": "X"})
    (tmp_path / "w" / "bin" / "rg").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "w" / "bin"))
    monkeypatch.setattr(ripgrep, "FEW_FILES", 0)
    context = world(tmp_path / "w")
    assert ripgrep.program(context.roots) is None
    assert len(await found(context, pattern="X")) == 1


async def test_a_failing_program_costs_no_results(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(ripgrep, "FEW_FILES", 0)
    monkeypatch.setattr(grep_files, "program", lambda roots: "/bin/false")
    context = world(tmp_path / "w")
    plant(tmp_path / "w", {"f": "X"})
    assert await found(context, pattern="X") == []
    monkeypatch.setattr(ripgrep, "_OPTIONS", ("-c", "exit 2"))
    monkeypatch.setattr(grep_files, "program", lambda roots: "/bin/sh")
    assert len(await found(context, pattern="X")) == 1


@pytest.mark.parametrize("pattern", ["x{1000000000}", "(a{100}){100}", "x{99999999999999999999}", "((a{20}){20}){20}"])
def test_repetitions_that_an_engine_would_write_out_for_ever_are_refused(pattern: str):
    with pytest.raises(ToolError, match="more than 1000 repetitions"):
        compile_pattern(pattern)
