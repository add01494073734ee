"""The whole product in the page: real harness, real worker, real commands, decided by real clicks."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.needs import need

need("chromium")

from tests.browser.lab import SHOTS, Lab, browser, open_page, server  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with server(tmp_path_factory.mktemp("real"), standin=False) as it:
        yield it


@pytest.fixture(scope="module")
def chromium():
    with browser() as it:
        yield it


@pytest.fixture
def lab(chromium, running, request):
    page = open_page(chromium)
    name = f"{abs(hash(request.node.name))}.ipynb"
    running.notebook(name, *request.param)
    it = Lab(page, running)
    it.open(name)
    yield it
    page.context.close()


REMOVE = "%%toolscript\nconst run = await shell('rm -f victim.txt');\nreturn run.exitCode;"


@pytest.mark.parametrize("lab", [[REMOVE]], indirect=True)
def test_pressing_allow_lets_exactly_that_command_run_and_the_cell_goes_on(lab):
    victim = lab.server.folder / "victim.txt"
    victim.write_text("x")
    out = lab.run(0)
    button = out.get_by_role("button", name="Allow once")
    button.wait_for(timeout=60_000)
    SHOTS.mkdir(exist_ok=True)
    lab.page.screenshot(path=SHOTS / "real-waiting.png")
    assert victim.exists()
    assert "rm -f victim.txt" in out.inner_text()

    button.click()
    out.locator(".jp-OutputArea-executeResult").wait_for()
    lab.idle()
    lab.page.screenshot(path=SHOTS / "real-allowed.png")

    assert not victim.exists()
    assert out.locator(".jp-OutputArea-executeResult").inner_text().split()[-1] == "0"


@pytest.mark.parametrize("lab", [[REMOVE]], indirect=True)
def test_pressing_deny_runs_nothing_and_the_script_gets_a_typed_error(lab):
    victim = lab.server.folder / "victim.txt"
    victim.write_text("x")
    out = lab.run(0)
    out.get_by_role("button", name="Deny", exact=True).click(timeout=60_000)
    out.get_by_text("was denied").first.wait_for()
    lab.idle()

    assert victim.exists()


EDIT = ["%%toolscript\nreturn 1", "%%toolscript\nawait shell('sleep 7311')"]


@pytest.mark.parametrize("lab", [EDIT], indirect=True)
def test_an_edited_script_runs_and_the_stop_button_ends_a_command_with_all_of_its_own(lab):
    lab.cell(0).locator(".cm-content").click()
    lab.page.keyboard.press("Control+a")
    lab.page.keyboard.type("%%toolscript\nreturn 40 + 2")
    out = lab.run(0)
    out.locator(".jp-OutputArea-executeResult").get_by_text("42").wait_for(timeout=60_000)

    lab.run(1)
    _until(lambda: _sleepers() != [])
    lab.page.get_by_role("button", name="Interrupt the kernel").click()
    _until(lambda: _sleepers() == [])
    lab.idle()
    again = lab.run(0)
    again.locator(".jp-OutputArea-executeResult").get_by_text("42").wait_for(timeout=60_000)


def _sleepers() -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"sleep\x007311" in (entry / "cmdline").read_bytes() and entry.name != str(os.getpid()):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
