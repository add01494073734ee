"""A saved notebook on paper: through nbconvert's HTML and the browser's own print."""

from __future__ import annotations

import nbformat
import pytest
from nbconvert import HTMLExporter
from tests.kernel import sample
from tests.kernel.running import ROOT
from tests.needs import need

from toolscript_kernel.record import fold, record

need("chromium")

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
LONG = "%%toolscript\nconst text = '" + "a rather long line " * 20 + "';"


def test_all_that_is_folded_is_open_on_paper_and_no_line_is_cut(page, tmp_path):
    data, metadata = record(fold(sample.turn()))
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LONG, outputs=[output])])
    exporter = HTMLExporter(template_name="toolscript", extra_template_basedirs=[str(ROOT / "kernel" / "templates")])
    html, _ = exporter.from_notebook_node(notebook)
    (tmp_path / "it.html").write_text(html)
    page.set_viewport_size({"width": 720, "height": 1000})
    page.goto((tmp_path / "it.html").as_uri(), wait_until="domcontentloaded")
    folded = "() => [...document.querySelectorAll('details > :not(summary)')].map((e) => e.checkVisibility())"
    assert not all(page.evaluate(folded))

    page.emulate_media(media="print")
    shown = page.evaluate(folded)
    assert shown and all(shown)
    wide = "() => [...document.querySelectorAll('pre')].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)"
    assert page.evaluate(wide) == []
    assert len(page.pdf()) > 10_000
