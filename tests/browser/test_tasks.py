"""Tasks that outlive their cell, in the real page: what they ask and how they ended, also after the page was away."""

from __future__ import annotations

import nbformat
import pytest
from tests.needs import need

need("chromium")

from tests.browser.lab import complaints  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
RUN = "application/vnd.toolscript.run+json"
REMOVE = "%%toolscript\nconst task = tools.spawn.shell('rm -f victim.txt');\nreturn task.id"


@pytest.fixture
def victim(running):
    path = running.folder / "victim.txt"
    path.touch()
    return path


def waiting(go: str) -> str:
    return (
        "%%toolscript\nconsole.log('on it');\n"
        f"const task = tools.spawn.shell('until test -e {go}; do sleep 0.05; done; exit 3');\nreturn task.id"
    )


def record(lab) -> dict:
    """Return the first cell's record in the saved notebook."""
    cell = nbformat.read(lab.server.folder / lab.name, as_version=4).cells[0]
    (found,) = [o for o in cell.outputs if RUN in o.get("data", {})]
    return found


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_a_task_asks_below_its_ended_cell_and_the_kernel_is_idle_meanwhile(opened, victim, app):
    lab = opened(REMOVE, app=app)
    out = lab.run(0)
    allow = out.get_by_role("button", name="Allow once")
    allow.wait_for(timeout=60_000)
    lab.idle()
    out.get_by_text("waits for approval").first.wait_for()
    lab.shot(f"task-asks-{app}")
    assert complaints(lab.page, ".jp-Cell-outputArea") == []
    assert victim.exists()

    allow.click()
    out.get_by_text("exit 0").wait_for()
    out.get_by_role("button", name="Allow once").wait_for(state="detached")
    assert not victim.exists()
    lab.save()
    saved = record(lab)
    assert "application/vnd.jupyter.widget-view+json" not in saved.data
    assert saved.data["text/plain"].endswith("→ exit 0  [allowed once]  (line 2)")


def test_a_task_that_asks_is_answered_in_a_page_that_was_loaded_anew(opened, victim):
    lab = opened(REMOVE)
    lab.run(0).get_by_role("button", name="Allow once").wait_for(timeout=60_000)
    lab.idle()
    lab.save()
    lab.show()
    out = lab.cell(0).locator(".jp-Cell-outputArea")
    allow = out.get_by_role("button", name="Allow once")
    allow.wait_for()
    lab.idle()
    lab.shot("task-asks-reloaded")
    assert "no longer" not in record(lab).data["text/plain"]

    allow.click()
    out.get_by_text("exit 0").wait_for()
    out.get_by_role("button", name="Allow once").wait_for(state="detached")
    assert out.locator(".jp-OutputArea-executeResult").count() == 1
    assert not victim.exists()


def test_a_page_loaded_anew_after_saving_hears_how_a_task_ended(opened, running):
    lab = opened(waiting("go1"))
    out = lab.run(0)
    out.get_by_text("goes on as a task").wait_for(timeout=60_000)
    lab.idle()
    lab.save()
    lab.show()
    out = lab.cell(0).locator(".jp-Cell-outputArea")
    out.get_by_text("goes on as a task").wait_for()
    lab.idle()

    (running.folder / "go1").touch()
    out.locator(".ts-outcome", has_text="exit 3").wait_for()
    lab.shot("task-ended-after-reload")
    assert out.inner_text().split("\n")[0] == "on it"
    assert out.locator(".jp-OutputArea-executeResult").count() == 1


def test_a_page_that_was_closed_when_a_task_ended_shows_its_end(opened, running):
    lab = opened(waiting("go2"))
    lab.run(0).get_by_text("goes on as a task").wait_for(timeout=60_000)
    lab.idle()
    lab.save()
    lab.page.goto("about:blank")
    (running.folder / "go2").touch()
    lab.show()

    out = lab.cell(0).locator(".jp-Cell-outputArea")
    out.locator(".ts-outcome", has_text="exit 3").wait_for()


def test_a_page_that_saw_the_end_and_was_loaded_anew_without_saving_it_sees_it_again(opened, running):
    lab = opened(waiting("go3"))
    out = lab.run(0)
    out.get_by_text("goes on as a task").wait_for(timeout=60_000)
    lab.idle()
    lab.save()
    (running.folder / "go3").touch()
    out.locator(".ts-outcome", has_text="exit 3").wait_for()
    lab.show()

    lab.cell(0).locator(".jp-Cell-outputArea").locator(".ts-outcome", has_text="exit 3").wait_for()
