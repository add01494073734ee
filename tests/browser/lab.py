"""A real JupyterLab with our kernel, and a real Chromium that looks at it."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import nbformat
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from tests.kernel.running import ROOT, environment, manager_of

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
VIEW = ROOT / "kernel" / "toolscript_kernel" / "view" / "static"
SHOTS = ROOT / ".artefacts"
STARTED = 60.0
SERIOUS = ("serious", "critical")


@dataclass
class Server:
    url: str
    token: str
    folder: Path
    settings: Path

    def theme(self, name: str) -> None:
        """Choose the theme of pages that are opened from now on."""
        _setting(self.settings, "themes", theme=name)

    def speak(self, prompt: str, *steps: str) -> None:
        """Let the recorded model answer a prompt, in kernels that start from now on."""
        folder = self.folder.parent / "configuration" / "toolscript"
        folder.mkdir(parents=True, exist_ok=True)
        turn = {"prompt": prompt, "steps": steps}
        (folder / "words.json").write_text(json.dumps({"version": 1, "recordings": [turn]}))
        (folder / "toolscript.toml").write_text('[agents.recorded]\nrecordings = ["words.json"]\n')

    def notebook(self, name: str, *sources: str, kernel: str = "toolscript") -> Path:
        """Write a notebook of code cells for our kernel, ``standin`` (on the stand-in harness) or ``stock``, the ordinary Python one."""
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        spec = {"name": kernel, "display_name": "toolscript", "language": "toolscript"}
        path = self.folder / name
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
        return path


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Run JupyterLab and Notebook on loopback, with settings, state and kernels of their own."""
    work = folder / "work"
    work.mkdir(parents=True)
    _kernels(folder / "data" / "kernels")
    labextension = folder / "data" / "labextensions" / "toolscript"
    shutil.copytree(ROOT / "extension" / "labextension", labextension)
    for name in ("view.js", "view.css", "record.js"):
        shutil.copy(VIEW / name, labextension / "static")
    settings = folder / "settings"
    _setting(settings, "notification", fetchNews="false", checkForUpdates=False)
    token = secrets.token_hex(8)
    env = environment() | {
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "configuration"),
        "JUPYTER_PATH": str(folder / "data"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    command = [
        sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={work}",
    ]  # fmt: skip
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=work)
    try:
        yield Server(_url(folder / "runtime", process), token, work, settings)
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def _kernels(folder: Path) -> None:
    made = {
        "toolscript": manager_of(standin=False),
        "standin": manager_of(standin=True),
        "stock": manager_of(module="ipykernel_launcher"),
    }
    for name, manager in made.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "kernel.json").write_text(json.dumps(manager._kernel_spec.to_dict()))


def _setting(settings: Path, plugin: str, **values: object) -> None:
    folder = settings / "@jupyterlab" / "apputils-extension"
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath(f"{plugin}.jupyterlab-settings").write_text(json.dumps(values))


def _url(runtime: Path, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + STARTED
    while time.monotonic() < end and process.poll() is None:
        for found in runtime.glob("jpserver-*.json"):
            if facts := found.read_text():
                return str(json.loads(facts)["url"])
        time.sleep(0.1)
    raise TimeoutError("the server did not start")


@contextmanager
def browser() -> Iterator[Browser]:
    """Run a headless Chromium with a fresh profile."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium") or "", args=FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


class Lab:
    """One notebook open in one page of JupyterLab, or of Jupyter Notebook."""

    def __init__(self, page: Page, server: Server, name: str, *, classic: bool = False) -> None:
        self.page = page
        self.server = server
        self.name = name
        self.classic = classic

    def open(self) -> None:
        """Open the notebook and wait until its kernel is idle."""
        self.show()
        self.idle()

    def show(self) -> None:
        """Open the notebook in its page, whatever its kernel does."""
        place = f"notebooks/{self.name}?token=" if self.classic else f"lab/tree/{self.name}?reset&token="
        self.page.goto(f"{self.server.url}{place}{self.server.token}")

    def another(self) -> Lab:
        """Return the same notebook in a second tab."""
        return Lab(self.page.context.new_page(), self.server, self.name, classic=self.classic)

    def end(self) -> None:
        """End the notebook's kernel."""
        api = f"{self.server.url}api/sessions"
        headers = {"Authorization": f"token {self.server.token}"}
        for session in httpx.get(api, headers=headers, timeout=20).json():
            if session["path"] == self.name:
                httpx.delete(f"{api}/{session['id']}", headers=headers, timeout=20)

    def idle(self) -> None:
        """Wait until the kernel has nothing to do."""
        # A cell that was just run waits by its prompt before the indicator knows of it.
        waiting = "() => ![...document.querySelectorAll('.jp-InputPrompt')].some((e) => e.textContent.includes('*'))"
        self.page.wait_for_function(waiting, timeout=60_000)
        indicator = self.page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
        indicator.wait_for(state="attached", timeout=60_000)
        if not self.classic:
            # The indicator is idle before there is a session; the status bar names the kernel only then.
            self.page.get_by_text("toolscript | Idle").wait_for(timeout=60_000)

    def cell(self, index: int) -> Locator:
        """Return the code cell at an index."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index)

    def run(self, index: int) -> Locator:
        """Run a cell without waiting for it, and return its outputs."""
        cell = self.cell(index)
        cell.locator(".cm-content").click()
        prompt = cell.locator(".jp-InputPrompt")
        before = prompt.inner_text()
        for _ in range(20):
            self.page.keyboard.press("Control+Enter")
            # Until the session is ready, a page takes no notice.
            for _ in range(100):
                if prompt.inner_text() != before:
                    return cell.locator(".jp-Cell-outputArea")
                self.page.wait_for_timeout(10)
        return cell.locator(".jp-Cell-outputArea")

    def stop(self) -> None:
        """Press the stop button."""
        self.page.get_by_role("button", name="Interrupt the kernel").click()

    def save(self) -> None:
        """Save the notebook and wait until that is done."""
        with self.page.expect_response(lambda r: r.request.method == "PUT" and "/api/contents/" in r.url):
            self.page.keyboard.press("Control+s")
        if not self.classic:
            self.page.wait_for_function("!document.querySelector('.lm-TabBar-tab.jp-mod-dirty')")

    def shot(self, name: str) -> None:
        """Keep a picture of the page."""
        SHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")


def complaints(page: Page, within: str) -> list[object]:
    """Return what axe-core finds serious or critical in a part of the page."""
    found = Axe().run(page, context=within).response["violations"]
    return [(v["id"], v["impact"], [n["html"][:200] for n in v["nodes"]]) for v in found if v["impact"] in SERIOUS]


def open_page(chromium: Browser, *, width: int = 1200, height: int = 900) -> Page:
    """Return a page that notes what it asks of other hosts and what its scripts complain about."""
    page = chromium.new_context(viewport={"width": width, "height": height}).new_page()
    page.set_default_timeout(30_000)
    return page
