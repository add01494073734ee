"""A person in JupyterLab: sees what runs, decides, stops, reloads."""

from __future__ import annotations

import pytest
from tests.needs import need

need("chromium")

from tests.browser.lab import Lab, browser, complaints, open_page, server  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
CELL = '%%toolscript\nlog hello\ncall grepFiles TODO\nask exec rm -rf build\nreturn {"a": 1}'


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with server(tmp_path_factory.mktemp("lab")) as it:
        yield it


@pytest.fixture(scope="module")
def chromium():
    with browser() as it:
        yield it


@pytest.fixture
def page(chromium):
    it = open_page(chromium)
    yield it
    it.context.close()


def _open(page, running, *sources) -> Lab:
    name = f"{id(page)}.ipynb"
    running.notebook(name, *sources)
    lab = Lab(page, running)
    lab.open(name)
    return lab


def test_approve_in_the_page_and_the_cell_goes_on(page, running):
    lab = _open(page, running, CELL)
    out = lab.run(0)
    out.get_by_role("button", name="Allow once").click()
    out.get_by_text("script completed · 2 operations").wait_for()
    lab.idle()

    assert out.locator(".jp-OutputArea-executeResult").inner_text().split() == ["[1]:", '{"a":', "1}"]
    assert out.get_by_role("button").count() == 0


def test_deny_with_a_reason_that_the_script_sees(page, running):
    lab = _open(page, running, CELL)
    out = lab.run(0)
    out.get_by_placeholder("reason").fill("not that folder")
    out.get_by_role("button", name="Deny", exact=True).click()
    lab.idle()

    assert "denied by widget: not that folder" in out.inner_text()


def test_edit_the_arguments_and_allow_that(page, running):
    lab = _open(page, running, CELL)
    out = lab.run(0)
    out.get_by_role("button", name="Edit…").click()
    field = out.get_by_placeholder("arguments as JSON")
    for wrong, says in (("{", "this is not JSON"), ("{}", "exec: command: Field required")):
        field.fill(wrong)
        out.get_by_role("button", name="Allow what is written here").click()
        out.get_by_text(says).wait_for()
    field.fill('{"command": ["ls"]}')
    lab.shot("lab-edit")
    out.get_by_role("button", name="Allow what is written here").click()
    lab.idle()

    assert "edited {'command': ['ls']}" in out.inner_text()
    assert "edited and allowed (widget)" in out.inner_text()


def test_several_requests_are_one_list_and_can_be_answered_together(page, running):
    lab = _open(page, running, "%%toolscript\nasks 3\nreturn 1")
    out = lab.run(0)
    out.get_by_text("3 requests wait").first.wait_for()
    out.get_by_role("button", name="Allow once").nth(1).click()
    out.get_by_text("2 requests wait").first.wait_for()
    lab.shot("lab-several")
    out.get_by_role("button", name="Allow all 2 once").click()
    out.get_by_text("script completed · 3 operations").wait_for()


def test_nothing_serious_stands_between_a_request_and_its_readers(page, running):
    lab = _open(page, running, CELL)
    out = lab.run(0)
    out.get_by_role("button", name="Edit…").click()
    out.get_by_placeholder("arguments as JSON").wait_for()

    assert complaints(page, ".jp-Cell-outputArea") == []
    page.get_by_role("button", name="Interrupt the kernel").click()
    lab.idle()


def test_buttons_are_reached_and_pressed_by_keyboard(page, running):
    lab = _open(page, running, CELL)
    out = lab.run(0)
    allow = out.get_by_role("button", name="Allow once")
    allow.wait_for()
    page.keyboard.press("Escape")
    for _ in range(40):
        page.keyboard.press("Tab")
        if allow.evaluate("e => e === document.activeElement"):
            break
    page.keyboard.press("Enter")
    out.get_by_text("script completed").wait_for()


def test_stop_ends_a_cell_that_waits_and_the_next_runs(page, running):
    lab = _open(page, running, CELL, "%%toolscript\nreturn 5")
    out = lab.run(0)
    out.get_by_role("button", name="Allow once").wait_for()
    page.get_by_role("button", name="Interrupt the kernel").click()
    lab.idle()
    after = lab.run(1)
    lab.idle()

    assert "Interrupted" in out.inner_text()
    assert out.get_by_role("button").count() == 0
    assert after.locator(".jp-OutputArea-executeResult").inner_text().split()[-1] == "5"


def test_after_a_reload_in_mid_pause_the_buttons_are_back_and_work(page, running):
    lab = _open(page, running, CELL)
    out = lab.run(0)
    out.get_by_role("button", name="Allow once").wait_for()
    lab.save()
    page.reload()
    again = lab.cell(0).locator(".jp-Cell-outputArea")
    again.get_by_role("button", name="Allow once").click()
    again.get_by_text("script completed · 2 operations").wait_for()


def test_a_second_tab_can_answer(chromium, page, running):
    lab = _open(page, running, CELL)
    out = lab.run(0)
    out.get_by_role("button", name="Allow once").wait_for()
    lab.save()
    second = Lab(page.context.new_page(), running)
    second.page.goto(f"{running.url}lab/workspaces/second/tree/{id(page)}.ipynb?token={running.token}")
    there = second.cell(0).locator(".jp-Cell-outputArea")
    there.get_by_role("button", name="Allow once").click()
    out.get_by_text("script completed · 2 operations").wait_for()
    lab.idle()


def test_the_saved_notebook_holds_the_record_and_no_widget(page, running):
    import nbformat

    lab = _open(page, running, CELL)
    out = lab.run(0)
    out.get_by_role("button", name="Allow once").click()
    out.get_by_text("script completed").wait_for()
    lab.idle()
    lab.save()
    path = running.folder / f"{id(page)}.ipynb"
    saved = nbformat.read(path, as_version=4)
    nbformat.validate(saved)

    kinds = [sorted(o.get("data", {})) for o in saved.cells[0].outputs]
    record = ["application/vnd.toolscript.run+json", "text/html", "text/markdown", "text/plain"]
    assert kinds == [[], record, ["text/plain"]]
