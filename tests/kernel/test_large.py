"""Values too large to hand over cross as handles, both ways, in a real kernel with real scripts."""

from __future__ import annotations

import json

import pytest
from tests.kernel.running import Kernel, kernel

from toolscript_kernel.large import fitting

BIG = 3_000_000


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with kernel(standin=False, cwd=tmp_path_factory.mktemp("workspace")) as it:
        yield it


def result(running: Kernel, cell: str) -> str:
    it = running.run(cell)
    assert it.reply["content"]["status"] == "ok", it.outputs
    return it.of("execute_result")[0]["data"]["text/plain"]


def test_only_the_largest_values_cross_by_handle_and_only_as_many_as_needed():
    kept = []
    values = {"a": "x" * 50, "b": "x" * 500, "c": "x" * 400, "d": 1}
    fitted = fitting(values, 600, lambda value: kept.append(value) or {"handle": "h"})

    assert fitted == values | {"b": {"handle": "h"}}
    assert kept == [values["b"]]
    assert fitting(values, 2000, lambda value: {"handle": "h"}) == values


def test_a_script_reads_a_large_python_value_in_parts(running: Kernel):
    running.run(f"%%py\nrows = [{{'n': n, 'text': 'é' * 90}} for n in range(50_000)]\ntext = 'ab' * {BIG}")
    counted = result(
        running,
        "%%toolscript --in rows --in text\n"
        "const { handle, characters, format, items } = params.rows;\n"
        "let sum = 0, rest = '', count = 0;\n"
        "for (let offset = 0; offset < characters; offset += 400_000) {\n"
        "  const lines = (rest + await readOutput({ handle, offset, limit: 400_000 })).split('\\n');\n"
        "  rest = lines.pop() ?? '';\n"
        "  for (const line of lines) { sum += JSON.parse(line).n; count++; }\n"
        "}\n"
        "sum += JSON.parse(rest).n;\n"
        "const tail = await readOutput({ handle: params.text.handle, offset: params.text.characters - 3 });\n"
        "return [format, items, count + 1, sum, params.text.format, tail]",
    )
    assert json.loads(counted) == ["json-lines", 50_000, 50_000, 50_000 * 49_999 // 2, "text", "bab"]


@pytest.mark.parametrize(
    ("script", "check", "form"),
    [
        (f"return 'é'.repeat({BIG // 2})", f"value == 'é' * {BIG // 2}", "text"),
        (
            "return Array.from({length: 20_000}, (_, n) => ({n, text: 'a\\nb'.repeat(20)}))",
            "value[-1] == {'n': 19_999, 'text': 'a\\nb' * 20} and len(value) == 20_000",
            "json-lines",
        ),
        (f"return {{all: 'x'.repeat({BIG})}}", f"value == {{'all': 'x' * {BIG}}}", "json"),
    ],
)
def test_a_large_result_reaches_python_whole_and_the_page_as_a_handle(running: Kernel, script, check, form):
    shown = json.loads(result(running, f"%%toolscript --out value\n{script}"))
    assert shown["format"] == form
    assert shown["bytes"] > 1024 * 1024
    assert result(running, f"%%py\n{check}") == "True"

    again = result(
        running, f"%%toolscript\nreturn (await readOutput({{handle: '{shown['handle']}', limit: 1000}})).length"
    )
    assert again == "1000"


def test_a_run_with_a_large_result_replays_the_same(running: Kernel):
    result(running, f"%%toolscript\nreturn 'x'.repeat({BIG})")
    told = running.run("%toolscript replay")
    assert "replayed: the same" in str(told.outputs)

    run_id = result(running, "%%py\n_run.run_id").strip("'")
    journal = result(
        running,
        f"%%py\nfrom toolscript.journal.state import run_path, state_dir\nfrom pathlib import Path\n"
        f"str(run_path(state_dir(Path.cwd().resolve()), {run_id!r}))",
    ).strip("'")
    shown = json.loads(result(running, f"%%toolscript --replay {journal}"))
    assert (shown["format"], shown["characters"]) == ("text", BIG)


def test_a_limit_that_the_cell_lowers_itself_stays_an_error(running: Kernel):
    it = running.run("%%toolscript --limits result_bytes=1000\nreturn 'x'.repeat(2000)")
    assert it.of("error")[0]["ename"] == "ResultTooLarge"


def test_beyond_what_handles_take_the_result_is_a_clear_error(running: Kernel):
    it = running.run(f"%%toolscript\nreturn 'x'.repeat({9 * 1024 * 1024})")
    assert it.of("error")[0]["ename"] in ("ResultTooLarge", "HeapExceeded")
