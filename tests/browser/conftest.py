"""One server for all tests of the session, and one browser for those of a file: starting them is what takes the time."""

from __future__ import annotations

import itertools

import pytest
from tests.needs import need

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def chromium():
    """A browser, ended with the file: Playwright keeps an event loop in this thread, beside which no other test can have its own."""
    need("chromium")
    from tests.browser.lab import browser

    with browser() as it:
        yield it


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    """A server of JupyterLab and Jupyter Notebook with our kernel, and with our kernel on the stand-in harness."""
    need("chromium")
    from tests.browser.lab import server

    folder = tmp_path_factory.mktemp("jupyter")
    with server(folder) as it:
        yield it


@pytest.fixture
def page(chromium):
    from tests.browser.lab import open_page

    it = open_page(chromium)
    yield it
    it.context.close()


@pytest.fixture
def opened(page, running):
    """Return a function that opens a new notebook of these cells and waits until its kernel is idle."""
    from tests.browser.lab import Lab

    def open_(*sources: str, app: str = "lab", kernel: str = "toolscript", page=page) -> Lab:
        name = f"n{next(_numbers)}.ipynb"
        running.notebook(name, *sources, kernel=kernel)
        lab = Lab(page, running, name, classic=app == "notebook")
        lab.open()
        labs.append(lab)
        return lab

    labs: list[Lab] = []
    yield open_
    for lab in labs:
        lab.end()
