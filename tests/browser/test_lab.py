"""What the page owes a person whatever runs: keyboard, focus, a list of requests, and a notebook without widgets."""

from __future__ import annotations

import nbformat
import pytest
from tests.needs import need

need("chromium")

from tests.browser.lab import complaints  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
CELL = '%%toolscript\nlog hello\ncall grepFiles TODO\nask exec rm -rf build\nreturn {"a": 1}'


def test_several_requests_are_one_list_and_can_be_answered_together(opened):
    lab = opened("%%toolscript\nasks 3\nreturn 1", kernel="standin")
    out = lab.run(0)
    out.get_by_text("3 requests wait").first.wait_for()
    out.get_by_role("button", name="Allow once").nth(1).click()
    out.get_by_text("2 requests wait").first.wait_for()
    lab.shot("lab-several")
    out.get_by_role("button", name="Allow all 2 once").click()
    out.get_by_text("script completed · 3 operations").wait_for()


def test_nothing_serious_stands_between_a_request_and_its_readers(opened):
    lab = opened(CELL, kernel="standin")
    out = lab.run(0)
    out.get_by_role("button", name="Edit…").click()
    out.get_by_placeholder("arguments as JSON").wait_for()

    assert complaints(lab.page, ".jp-Cell-outputArea") == []
    lab.stop()
    lab.idle()


def test_buttons_are_reached_and_pressed_by_keyboard(opened):
    lab = opened(CELL, kernel="standin")
    out = lab.run(0)
    allow = out.get_by_role("button", name="Allow once")
    allow.wait_for()
    lab.page.keyboard.press("Escape")
    for _ in range(40):
        lab.page.keyboard.press("Tab")
        if allow.evaluate("e => e === document.activeElement"):
            break
    lab.page.keyboard.press("Enter")
    out.get_by_text("script completed").wait_for()


def test_the_saved_notebook_holds_the_record_and_no_widget(opened):
    lab = opened(CELL, kernel="standin")
    out = lab.run(0)
    out.get_by_role("button", name="Allow once").click()
    out.get_by_text("script completed").wait_for()
    lab.idle()
    lab.save()
    path = lab.server.folder / lab.name
    saved = nbformat.read(path, as_version=4)
    nbformat.validate(saved)

    kinds = [sorted(o.get("data", {})) for o in saved.cells[0].outputs]
    record = ["application/vnd.toolscript.run+json", "text/html", "text/markdown", "text/plain"]
    assert kinds == [[], record, ["text/plain"]]
