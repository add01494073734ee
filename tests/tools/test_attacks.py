"""Attacks on files, patches and parsers, made as a script would make them: through the harness, nothing mocked."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from toolscript.harness import Harness

pytestmark = pytest.mark.anyio

OUTSIDE = {"outside_workspace", "approval_unavailable", "protected", "bad_path", "permission_denied"}
TOOLS = {
    "readFile": "readFile(p)",
    "writeFile": "writeFile(p, 'owned')",
    "writeFile with directories": "writeFile(p, 'owned', {createDirs: true})",
    "applyPatch add": "applyPatch(`*** Begin Patch\n*** Add File: ${p}\n+owned\n*** End Patch`)",
    "applyPatch move": "applyPatch(`*** Begin Patch\n*** Update File: a.txt\n*** Move to: ${p}\n@@\n-a\n+owned\n*** End Patch`)",
    "editor create": "strReplaceEditor({command: 'create', path: p, fileText: 'owned'})",
    "editor replace": "strReplaceEditor({command: 'str_replace', path: p, oldStr: 'secret', newStr: 'owned'})",
    "editor view": "strReplaceEditor({command: 'view', path: p})",
    "listDir": "listDir(p)",
    "grepFiles": "grepFiles('secret', p)",
    "fileSearch": "fileSearch({query: 'secret', path: p})",
    "viewImage": "viewImage(p)",
    "applyPatch delete": "applyPatch(`*** Begin Patch\n*** Delete File: ${p}\n*** End Patch`)",
}
TRIED = "(async () => CALL)().then((v) => ({ok: v}), (e) => ({code: e.code, message: e.message}))"
EACH = ", ".join(f"{json.dumps(name)}: await {TRIED.replace('CALL', call)}" for name, call in TOOLS.items())
ALL = f"const out = {{}}; for (const p of params) out[p] = {{{EACH}}}; return out;"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret\n")
    (tmp_path / "work" / "a.txt").write_text("a\n")
    return tmp_path / "work"


@pytest.fixture
async def harness(root: Path) -> AsyncIterator[Harness]:
    async with Harness(root) as opened:
        yield opened


def outside(root: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in (root.parent / "outside").rglob("*") if p.is_file() or p.is_symlink()}


async def all_tools(harness: Harness, *paths: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Try every tool on every path and return what each said."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for path in paths:
        run = await harness.run(ALL, params=[path])
        assert run.error is None, run.error
        found |= run.result
    return found


def kind_of(answer: dict[str, Any]) -> str:
    return "done" if "ok" in answer else str(answer["code"])


async def test_no_tool_reads_writes_or_names_what_lies_outside(harness: Harness, root: Path) -> None:
    (root / "link.txt").symlink_to(root.parent / "outside" / "secret.txt")
    (root / "dir").symlink_to(root.parent / "outside")
    (root / "new.txt").symlink_to(root.parent / "outside" / "created.txt")
    (root / "round").symlink_to("round")
    before = outside(root)
    paths = ["../outside/secret.txt", "link.txt", "dir/secret.txt", "dir/x/y.txt", "new.txt", "round"]
    paths += ["a/../../outside/secret.txt", str(root.parent / "outside" / "secret.txt")]

    for path, answers in (await all_tools(harness, *paths)).items():
        for name, answer in answers.items():
            assert "secret\n" not in json.dumps(answer.get("ok", "")), (path, name)
            # Deleting a link takes away the link alone, which lies inside.
            if kind_of(answer) == "done":
                assert name == "applyPatch delete", (path, name, answer)
    assert outside(root) == before
    assert (root / "a.txt").read_text() == "a\n"


async def test_dots_that_come_back_inside_are_fine(harness: Harness, root: Path) -> None:
    (root / "sub").mkdir()
    run = await harness.run("return [await readFile('sub/../a.txt'), await readFile('./sub/.././a.txt')]")

    assert run.result == ["a\n", "a\n"], run.error


@pytest.mark.parametrize("path", ["a.txt\0.png", "\0", "", "x" * 256, "x/" * 2100 + "y"], ids=repr)
async def test_what_no_file_can_be_called_is_refused_by_every_tool(harness: Harness, root: Path, path: str) -> None:
    run = await harness.run(ALL.replace("of params", f"of [{json.dumps(path)}]"))

    assert run.error is None, run.error
    (answers,) = run.result.values()
    kinds = {name: kind_of(answer) for name, answer in answers.items()}
    # A path that is missing in the script is the directory that lists and searches begin in.
    allowed = {"bad_path", "invalid_arguments", "not_found", "invalid_hunk", "not_utf8"}
    assert set(kinds.values()) <= allowed, kinds
    assert sorted(p.name for p in root.iterdir()) == ["a.txt"]


SPECIAL = ["/proc/self/environ", "/proc/self/mem", "/dev/zero", "/dev/stdin", "/dev/fd/3", "/sys/kernel/version"]


async def test_devices_and_the_kernels_own_files_are_refused_also_through_links(harness: Harness, root: Path) -> None:
    for number, path in enumerate(SPECIAL):
        (root / f"l{number}").symlink_to(path)
    (root / "p").symlink_to("/proc")
    names = [*SPECIAL, *(f"l{number}" for number in range(len(SPECIAL))), "p/self/environ"]

    for path, answers in (await all_tools(harness, *names)).items():
        kinds = {name: kind_of(answer) for name, answer in answers.items() if name != "applyPatch delete"}
        assert set(kinds.values()) <= {"bad_path"}, (path, kinds)


async def test_a_pipe_blocks_nobody(harness: Harness, root: Path) -> None:
    os.mkfifo(root / "p")
    answers = (await all_tools(harness, "p"))["p"]

    kinds = {name: kind_of(answer) for name, answer in answers.items()}
    assert set(kinds.values()) <= {"not_a_file", "exists", "not_a_directory"}, kinds


@pytest.mark.parametrize("path", ["C:\\Windows\\x", "\\\\host\\share", "a.txt:stream", "CON"])
async def test_forms_of_other_systems_are_plain_names_here(harness: Harness, root: Path, path: str) -> None:
    run = await harness.run("await writeFile(params, 'x'); return readFile(params)", params=path)

    assert run.result == "x", run.error
    assert sorted(p.name for p in root.iterdir()) == sorted(["a.txt", path])


PROTECTED = [".git/hooks/post-commit", ".git/config", ".GIT/config", ".vscode/tasks.json", ".env", "toolscript.toml",
             ".ipynb_checkpoints/a.ipynb", "pyproject.toml", "sub/.git/config", "Toolscript.TOML"]  # fmt: skip


@pytest.mark.parametrize("path", PROTECTED)
async def test_files_that_control_a_repository_or_an_agent_are_written_only_with_consent(
    harness: Harness, root: Path, path: str
) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    answers = (await all_tools(harness, path))[path]

    writing = {kind_of(answers[name]) for name in TOOLS if name.startswith(("write", "applyPatch a", "editor c"))}
    assert writing == {"approval_unavailable"}
    assert not (root / path).exists()


async def test_a_file_of_twenty_gibibytes_is_read_in_parts_and_never_loaded(harness: Harness, root: Path) -> None:
    with (root / "huge").open("wb") as file:
        file.write(b"first\n")
        file.truncate(20 * 1024**3)
    run = await harness.run(
        """
        const kinds = [];
        const calls = [() => readFile("huge"), () => readFile({path: "huge", encoding: "base64"}), () => grepFiles("x", "huge"),
          () => strReplaceEditor({command: "view", path: "huge"}), () => viewImage("huge"),
          () => applyPatch("*** Begin Patch\\n*** Update File: huge\\n@@\\n-first\\n+x\\n*** End Patch")];
        for (const call of calls) kinds.push(await call().then((v) => v.length ?? "done", (e) => e.code));
        return [await readFile("huge", 1, 1), ...kinds];
        """
    )

    assert run.error is None, run.error
    assert run.result[0] == "first\n"
    assert run.result[1:3] == ["output_too_large", "output_too_large"]
    assert run.result[3] in (0, "file_too_large")
    assert set(run.result[4:]) <= {"file_too_large", "output_too_large", "bad_image"}, run.result


async def test_any_bytes_can_be_read_as_text_or_as_bytes(harness: Harness, root: Path) -> None:
    (root / "bytes").write_bytes(bytes(range(256)))
    run = await harness.run(
        'return [(await readFile("bytes")).length, atob(await readFile({path: "bytes", encoding: "base64"})).length]'
    )

    assert run.result == [256, 256], run.error


@pytest.mark.parametrize(
    "call",
    [
        "fileSearch({pattern: '**/**/**/**/**/**/*a*a*a*a*b'})",
        "fileSearch({pattern: '{a,b}'.repeat(40)})",
        "fileSearch({query: 'a '.repeat(128)})",
        "grepFiles('(a+)+$')",
        "grepFiles('(a|aa)*b', 'long')",
        "grepFiles('x{1000000000}')",
        "grepFiles('('.repeat(3000))",
    ],
)
async def test_patterns_made_to_run_for_ever_end(harness: Harness, root: Path, call: str) -> None:
    deep = root
    for _ in range(30):
        deep = deep / ("a" * 30)
    deep.mkdir(parents=True)
    (root / "long").write_text("a" * 5000 + "\n")
    with anyio_limit(60):
        run = await harness.run(f"return await {call}.then((v) => v.length, (e) => e.code)")

    assert isinstance(run.result, int) or run.result in ("invalid_arguments", "bad_pattern", "timed_out"), run.error


@pytest.fixture
def deep_tree(root: Path) -> Iterator[None]:
    """A tree of 4 000 levels, taken away by a program that can: pytest's own tidying up would break on it."""
    here = os.open(root, os.O_RDONLY)
    try:
        for _ in range(4000):
            os.mkdir("d" * 200, dir_fd=here)
            deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = deeper
    finally:
        os.close(here)
    yield
    subprocess.run(["rm", "-rf", root / ("d" * 200)], check=True)


@pytest.mark.usefixtures("deep_tree")
async def test_a_tree_of_four_thousand_levels_is_an_answer_or_an_error(harness: Harness) -> None:
    run = await harness.run(
        "const out = []; for (const c of [() => listDir({depth: 5000}), () => grepFiles('x'), () => fileSearch({query: 'd'})])"
        " out.push(await c().then((v) => 'done', (e) => e.code)); return out"
    )
    assert run.error is None, run.error
    assert set(run.result) <= {"done", "output_too_large", "bad_path"}, run.result


async def test_directories_swapped_for_links_while_tools_walk_show_nothing_from_outside(
    harness: Harness, root: Path
) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "inner.txt").write_text("inner\n")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            # A tool may have put a directory of its own there meanwhile.
            with contextlib.suppress(OSError):
                os.rename(root / "sub", root / "away")
                os.symlink(root.parent / "outside", root / "sub")
            with contextlib.suppress(OSError):
                os.unlink(root / "sub")
            with contextlib.suppress(OSError):
                os.rename(root / "away", root / "sub")

    before = outside(root)
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(6):
            run = await harness.run(
                """
                const out = [];
                for (const call of [() => listDir({depth: 3}), () => grepFiles("e"), () => fileSearch({pattern: "**"}),
                  () => readFile("sub/secret.txt"), () => writeFile("sub/own.txt", "owned"),
                  () => applyPatch("*** Begin Patch\\n*** Add File: sub/n.txt\\n+owned\\n*** End Patch")])
                  out.push(await call().then((v) => JSON.stringify(v), (e) => e.code));
                return out;
                """
            )
            assert run.error is None, run.error
            assert not any("secret.txt" in text for text in run.result[:3]), run.result
            assert run.result[3] != '"secret\\n"'
    finally:
        stop.set()
        thread.join()
    assert outside(root) == before


def anyio_limit(seconds: float) -> Any:
    import anyio

    return anyio.fail_after(seconds)


def bomb() -> bytes:
    """Return a PNG of a few bytes that says it has 65 535 × 65 535 pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 65535, 65535, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")


async def test_an_image_that_would_fill_memory_is_refused_undecoded(harness: Harness, root: Path) -> None:
    (root / "bomb.png").write_bytes(bomb())
    run = await harness.run("return viewImage('bomb.png').catch((e) => e.code)")

    assert run.result == "bad_image"


@pytest.mark.parametrize(
    "text",
    ["[" * 1_000_000, "1" * 1_000_000, '{"a":1,' * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000],
    ids=lambda t: t[:8],
)
async def test_json_made_to_break_parsers_is_a_typed_error_of_a_structured_call(harness: Harness, text: str) -> None:
    from toolscript.events import Emitter
    from toolscript.workshop import Order

    order = Order(limits=harness.limits, policy=harness.policy, rules=harness.rules)
    reply = await harness._workshop.call("read_file", text, order, Emitter(ids={"conversation_id": "c1"}))

    assert reply.is_error
    assert reply.text
