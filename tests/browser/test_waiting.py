"""The side panel in the real page: what waits for a person and what runs on, for all open notebooks."""

from __future__ import annotations

import pytest
from tests.needs import need

need("chromium")

from tests.browser.lab import complaints  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
ASKS = "%%toolscript\nconst r = await tools.shell({command: 'rm -f victim.txt'});\nreturn r.exitCode"
BOTH = (
    "%%toolscript\ntools.spawn.shell('until test -e panel-go; do sleep 0.05; done');\n"
    "return await tools.shell({command: 'rm -f other.txt'}).then(() => 'ran', (e) => e.code)"
)
PANEL = "#toolscript-waiting"


@pytest.fixture
def files(running):
    made = [running.folder / name for name in ("victim.txt", "other.txt")]
    for path in made:
        path.touch()
    yield made
    (running.folder / "panel-go").unlink(missing_ok=True)


def open_panel(page):
    page.locator('.lm-TabBar-tab[data-id="toolscript-waiting"]').click()
    side = page.locator(PANEL)
    side.wait_for()
    return side


def test_the_panel_answers_for_two_notebooks_and_lists_the_tasks_that_run(opened, running, page, files):
    lab = opened(BOTH)
    side = open_panel(page)
    side.get_by_text("Nothing waits for you").wait_for()
    lab.shot("panel-empty")
    first = lab.run(0)
    side.get_by_text("1 request waits for you").wait_for()
    side.get_by_text(": shell runs").wait_for()
    running.notebook("second.ipynb", ASKS)
    page.locator(".jp-DirListing-item", has_text="second.ipynb").dblclick()
    second = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell").first
    second.locator(".cm-content").click()
    page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(
        state="attached"
    )
    page.keyboard.press("Control+Enter")
    side.get_by_text("2 requests wait for you").wait_for()

    assert [heading.inner_text() for heading in side.locator("h2").all()] == [lab.name, "second.ipynb"]
    assert "rm -f victim.txt" in side.locator("section", has_text="second.ipynb").inner_text()
    assert complaints(page, PANEL) == []
    lab.shot("panel-two")
    side.locator("section", has_text="second.ipynb").get_by_role("button", name="Allow once").click()
    second.locator(".jp-OutputArea-executeResult", has_text="0").wait_for()
    side.get_by_role("button", name="Show notebook").click()
    side.get_by_role("button", name="Deny").click()
    first.get_by_text("approval_denied").first.wait_for()
    side.get_by_text("Nothing waits for you").wait_for()
    (running.folder / "panel-go").touch()
    side.get_by_text(": shell runs").wait_for(state="detached")

    assert [path.exists() for path in files] == [False, True]


def test_what_a_request_says_is_text_in_the_panel(opened, page):
    hostile = "<img src=x onerror=window.pwned=1>"
    lab = opened(f"%%toolscript\nawait tools.shell({{command: \"rm -f '{hostile}'\"}})")
    side = open_panel(page)
    lab.run(0)
    side.locator(".toolscript-said", has_text=hostile).first.wait_for()

    assert page.evaluate("window.pwned") is None
    assert side.locator("img").count() == 0
    side.get_by_role("button", name="Deny").click()
    side.get_by_text("Nothing waits for you").wait_for()


def test_the_panel_is_readable_in_the_dark_and_shows_a_change_before_it_is_allowed(opened, running, page):
    running.theme("JupyterLab Dark")
    try:
        patch = "await tools.exec({command: ['rm', '-rf', 'a b'], env: {LONG: 'x'.repeat(200)}})"
        lab = opened(f"%%toolscript\n{patch}")
        side = open_panel(page)
        lab.run(0)
        side.get_by_text("1 request waits for you").wait_for()
        lab.shot("panel-dark")
        assert complaints(page, PANEL) == []
        side.get_by_role("button", name="Deny").click()
        side.get_by_text("Nothing waits for you").wait_for()
    finally:
        running.theme("JupyterLab Light")


def test_an_answer_that_comes_too_late_changes_nothing(opened, page, files):
    lab = opened(ASKS)
    side = open_panel(page)
    outputs = lab.run(0)
    side.get_by_role("button", name="Allow once").wait_for()
    outputs.get_by_role("button", name="Deny", exact=True).click()
    side.get_by_text("Nothing waits for you").wait_for()

    assert side.get_by_role("button", name="Allow once").count() == 0
    assert files[0].exists()
