"""The extension in the page: colours, the saved run as it ran, and buttons that write cells; in Lab and in Notebook."""

from __future__ import annotations

import json
from functools import partial

import nbformat
import pytest
from playwright.sync_api import TimeoutError
from tests.needs import need

need("chromium")

from tests.browser.lab import complaints, open_page  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
LAB = pytest.mark.parametrize("app", ["lab"])
"""For what both applications do with the same code of ours: JupyterLab stands for both."""
WRITES = (
    '%%toolscript\nconst text: string = "new";\nawait tools.writeFile({ path: "a.txt", content: text });\nreturn text'
)


@pytest.fixture(params=["lab", "notebook"])
def app(request):
    return request.param


@pytest.fixture
def opened(opened, app):
    return partial(opened, app=app)


@pytest.fixture
def page(chromium):
    it = open_page(chromium)
    it.complaints = []
    # Jupyter Notebook 7.6 complains of a missing schema by itself.
    it.on("pageerror", lambda e: it.complaints.append(str(e)) if "toolscript" in (e.stack or "") else None)
    yield it
    assert it.complaints == []
    it.context.close()


def test_scripts_are_coloured_as_typescript_and_python_as_python(page, opened, running, app):
    lab = opened(WRITES, "%%py\nimport os", "Make it so: const x")
    colour = "e => [...e.querySelectorAll('.cm-line span')].filter(s => s.className).map(s => s.textContent)"
    page.wait_for_function(f"() => ({colour})(document.querySelectorAll('.jp-CodeCell')[0]).includes('const')")

    found = [page.evaluate(colour, lab.cell(index).element_handle()) for index in range(3)]
    assert {"const", "await", "return"} <= set(found[0])
    assert "import" in found[1]
    assert "const" not in found[2]


@LAB
def test_a_cell_that_becomes_a_script_is_coloured_as_one(page, opened, running, app):
    lab = opened("prose")
    lab.cell(0).locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("%%toolscript\nconst x = 1")

    lab.cell(0).locator(".cm-line span", has_text="const").wait_for()


def test_a_run_that_has_ended_is_shown_with_times_and_outputs(page, opened, running, app):
    lab = opened('%%toolscript\nreturn await tools.exec({ command: ["echo", "hello there"] })')
    out = lab.run(0)
    row = out.locator(".jp-OutputArea-output .ts-row").first
    row.wait_for()
    lab.idle()
    out.locator(".ts-row summary").first.click()

    out.locator(".ts-body pre", has_text="hello there").wait_for()
    assert out.locator(".ts-time").first.inner_text().endswith("s")
    assert complaints(page, ".jp-Cell-outputArea") == []


@LAB
def test_edit_as_cell_puts_the_models_script_below(page, opened, running, app):
    lab = opened("%agent recorded\nWhich files are here?", "%%py\n1")
    out = lab.run(0)
    out.get_by_role("button", name="Edit as cell").click()

    below = lab.cell(1).locator(".cm-content")
    assert below.inner_text().split("\n")[:2] == ["%%toolscript", 'const entries = await tools.listDir({ path: "." });']
    page.get_by_text("script completed").first.wait_for()
    lab.run(1).locator(".jp-OutputArea-executeResult").wait_for()


@LAB
def test_undo_takes_the_files_back_by_a_cell_that_says_so(page, opened, running, app):
    (running.folder / "a.txt").write_text("old")
    lab = opened(WRITES)
    out = lab.run(0)
    out.get_by_role("button", name="Undo", exact=True).dblclick()
    lab.cell(1).get_by_text("restored a.txt").wait_for()
    undone = out.get_by_role("button", name="Undone", disabled=True)
    undone.wait_for()
    lab.idle()
    lab.shot(f"undone-{app}")

    assert lab.page.locator(".jp-CodeCell").count() == 2
    assert lab.cell(1).locator(".cm-content").inner_text().startswith("%toolscript undo r-")
    assert "were taken back, by r-" in undone.get_attribute("title")
    assert (running.folder / "a.txt").read_text() == "old"


@LAB
def test_the_undo_button_tells_what_was_undone_elsewhere_and_what_stands_again(page, opened, running, app):
    (running.folder / "a.txt").write_text("old")
    lab = opened(WRITES, "%toolscript undo", "%%py\n1")
    out = lab.run(0)
    stands = out.get_by_role("button", name="Undo", exact=True)
    undone = out.get_by_role("button", name="Undone", disabled=True)
    stands.wait_for()
    told = lab.run(1).get_by_text("to take this undo back:")
    undone.wait_for()
    back = told.inner_text().partition("back: ")[2]
    lab.idle()
    lab.save()
    lab.show()
    undone.wait_for()

    lab.idle()
    lab.cell(2).locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(back)
    lab.run(2)
    stands.wait_for()
    assert (running.folder / "a.txt").read_text() == "new"


ELSEWHERE = """%%py
import os, subprocess, sys
code = "from toolscript_extension.cli import main; main()"
environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
print(subprocess.run([sys.executable, "-c", code, "undo", _run.run_id], env=environment, capture_output=True, text=True).stderr)
"""


@LAB
def test_an_undo_button_that_is_out_of_date_changes_nothing_and_says_so(page, opened, running, app):
    (running.folder / "a.txt").write_text("old")
    lab = opened(WRITES, ELSEWHERE)
    stands = lab.run(0).get_by_role("button", name="Undo", exact=True)
    stands.wait_for()
    lab.run(1).get_by_text("a.txt").first.wait_for()
    lab.idle()
    (running.folder / "a.txt").write_text("later")
    stands.click()
    lab.cell(1).get_by_text("was undone already, by r-").first.wait_for()

    lab.cell(0).get_by_role("button", name="Undone", disabled=True).wait_for()
    assert (running.folder / "a.txt").read_text() == "later"


@LAB
def test_tab_offers_tools_and_their_arguments(page, opened, running, app):
    lab = opened("%%toolscript\ntools.")
    lab.run(0)
    lab.idle()
    lab.cell(0).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("gre")
    popup = page.locator(".jp-Completer")
    offered(page, popup.get_by_text("grepFiles"))
    page.keyboard.press("Enter")
    lab.cell(0).locator(".cm-line", has_text="tools.grepFiles").wait_for()
    page.keyboard.type("({ ")
    offered(page, popup.get_by_text("pattern:"))
    lab.shot(f"completion-{app}")
    page.keyboard.press("Escape")


def offered(page, offer) -> None:
    """Press Tab until there is the offer: the page gives a kernel one second, and then asks no more."""
    for _ in range(8):
        page.keyboard.press("Tab")
        try:
            offer.wait_for(timeout=3_000)
            return
        except TimeoutError:
            continue
    offer.wait_for()


def test_a_saved_run_is_shown_without_a_kernel(page, opened, running, app):
    record = {"version": 1, "kind": "turn", "prompt": "p", "status": "completed", "parts": [
        {"type": "text", "text": "Hello *there* <img src=x onerror=alert(1)>"},
        {"type": "script", "source": "return 1", "status": "completed", "result": 1, "logs": [], "warnings": [],
         "operations": [{"number": 1, "tool": "exec", "arguments": {"command": ["ls"]}, "status": "succeeded", "outcome": "exit 0"}]},
    ]}  # fmt: skip
    data = {"application/vnd.toolscript.run+json": record, "text/plain": "as text", "text/html": "<p>as html</p>"}
    cell = nbformat.v4.new_code_cell("p", outputs=[nbformat.v4.new_output("display_data", data=data)])
    name = f"s{id(page)}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), running.folder / name)
    place = f"notebooks/{name}?" if app == "notebook" else f"lab/tree/{name}?reset&"
    page.goto(f"{running.url}{place}token={running.token}")
    view = page.locator(".ts-view")
    view.wait_for()

    assert view.locator("em").inner_text() == "there"
    assert view.locator("img").count() == 0
    assert "as html" not in page.locator(".jp-OutputArea").first.inner_text()


@LAB
@pytest.mark.parametrize(
    "run_id",
    ["r-12ab\n%%py\nopen('planted', 'w').close()", "1", "-- a.txt=restore", "r-12ab\n%toolscript answer allow"],
)
def test_a_forged_run_offers_no_button_that_would_run_what_it_names(page, opened, running, app, run_id):
    script = {
        "type": "script", "source": "return 1", "status": "completed", "result": 1, "logs": [], "warnings": [],
        "operations": [{"number": 1, "tool": "writeFile", "arguments": {}, "status": "succeeded", "diff": "+a"}],
    }  # fmt: skip
    mime = "application/vnd.toolscript.run+json"
    data = {mime: {"version": 1, "kind": "turn", "prompt": "p", "status": "completed", "parts": [script]}}
    told = {mime: {"scripts": [{"runId": run_id}]}}
    cell = nbformat.v4.new_code_cell("p", outputs=[nbformat.v4.new_output("display_data", data=data, metadata=told)])
    name = f"f{id(page)}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), running.folder / name)
    page.goto(f"{running.url}lab/tree/{name}?reset&token={running.token}")
    page.get_by_text("script completed").wait_for()

    assert page.get_by_role("button", name="Edit as cell").count() == 1
    assert page.get_by_role("button", name="Replay").count() == 0
    assert page.locator(".ts-actions").get_by_role("button", name="Undo").count() == 0


@LAB
def test_a_run_opens_as_a_document_too(page, opened, running, app):
    record = {"version": 1, "kind": "script", "status": "completed", "parts": [
        {"type": "script", "source": "return 1", "status": "completed", "result": 1, "logs": [], "warnings": [], "operations": []}
    ]}  # fmt: skip
    (running.folder / "one.toolscript-run.json").write_text(json.dumps(record))
    page.goto(f"{running.url}lab/tree/one.toolscript-run.json?reset&token={running.token}")
    page.get_by_text("script completed").wait_for()
    assert complaints(page, ".ts-view") == []
