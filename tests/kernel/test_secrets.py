"""A secret of the environment, printed, returned and thrown by scripts, in every place where a notebook keeps output."""

from __future__ import annotations

import json

import pytest
from tests.kernel.running import kernel

SECRET = "s3cr3t-value-for-this-test"


@pytest.mark.parametrize("page", [True, False])
def test_no_output_of_a_cell_holds_a_secret_and_python_still_has_the_value(tmp_path, monkeypatch, page):
    monkeypatch.setenv("MY_API_TOKEN", SECRET)
    (tmp_path / "it.txt").write_text(SECRET)
    script = "%%toolscript --out value\nconst it = await readFile('it.txt');\nconsole.log(it, 'printed');\n"
    with kernel(standin=False, cwd=tmp_path) as it:
        if page:
            it.handshake()
            it.run("%%py\n1")
        returned = it.run(f"{script}await sleep(200);\nreturn {{ it }}", allow_stdin=page, cell_id="a")
        thrown = it.run(f"{script}throw new Error(it)", allow_stdin=page, cell_id="b")
        whole = it.run(f"%%py\nvalue == {{'it': {SECRET!r}}}")

    said = json.dumps([m["content"] for cell in (returned, thrown) for m in cell.messages])
    assert SECRET not in said
    assert said.count("secret:MY_API_TOKEN") >= 4
    assert returned.stdout == "\u27e6secret:MY_API_TOKEN\u27e7 printed\n"
    assert thrown.of("error")[0]["evalue"] == "\u27e6secret:MY_API_TOKEN\u27e7"
    assert whole.of("execute_result")[0]["data"]["text/plain"] == "True"
