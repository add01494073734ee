"""Measures what a person waits for in a notebook, against the stock Python kernel in the same run.

    python benchmarks/notebook.py              kernels and cells
    python benchmarks/notebook.py --page       also a click in a real JupyterLab page (needs Chromium)
    python benchmarks/notebook.py --write      all of it, into docs/benchmarks/notebook.md

Kernels of both kinds are started in turn, so that both meet the same machine; figures are medians.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), *(str(ROOT / package) for package in ("harness", "tools", "kernel", "extension"))]

from jupyter_client.manager import KernelManager  # noqa: E402
from tests.kernel.running import Kernel, environment, manager_of  # noqa: E402

from toolscript import events as ev  # noqa: E402
from toolscript_kernel.view.watch import Watch  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks" / "notebook.md"
STARTS, CELLS, CLICKS = 7, 60, 15
OWN_TOOL = (
    "%%py\nfrom toolscript import tool\n@tool(effect='read')\ndef in_yen(amount: float) -> float:\n    return amount"
)
TABS = (("local", "a.std", "std"), ("MCP tool", "tools.mcp.proper.wea", "wea"), ("own tool", "tools.inYen({ am", "am"))


UNTIL_COMPLETED = """() => {
  const cell = document.querySelector(".jp-Cell-outputArea");
  window.lasted = new Promise((done) =>
    cell.addEventListener("click", (event) => {
      const look = () => (cell.textContent.includes("script completed") ? done(performance.now() - event.timeStamp) : requestAnimationFrame(look));
      look();
    }, { capture: true, once: true }),
  );
}"""
"""Measures in the page, from a click on: what drives the browser takes longer to click than the kernel to answer."""


def stock() -> KernelManager:
    """Return a manager of the stock Python kernel."""
    return KernelManager(kernel_name="python3")


def started(manager: KernelManager, folder: Path, **variables: str) -> tuple[float, Kernel]:
    """Start a kernel and return the seconds until it answered its first message."""
    begun = time.perf_counter()
    manager.start_kernel(cwd=str(folder), env=environment() | variables)
    client = manager.client()
    client.start_channels(hb=False)
    while True:
        client.kernel_info()
        try:
            client.get_shell_msg(timeout=0.2)
            break
        except Exception:
            continue
    return time.perf_counter() - begun, Kernel(manager, client, folder)


def ended(kernel: Kernel) -> None:
    """End a kernel."""
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)
    kernel.manager.cleanup_resources()


def starts(folder: Path) -> dict[str, float]:
    """Return the median seconds to ready for both kernels, started in turn."""
    times: dict[str, list[float]] = {"stock": [], "ours": []}
    for _ in range(STARTS):
        for name, make in (("stock", stock), ("ours", lambda: manager_of(standin=False))):
            seconds, kernel = started(make(), folder)
            times[name].append(seconds)
            ended(kernel)
    return {name: statistics.median(found) for name, found in times.items()}


def cells(folder: Path) -> dict[str, float]:
    """Return the median milliseconds from submitting a trivial cell until the kernel is idle again."""
    _, python = started(stock(), folder)
    _, ours = started(manager_of(standin=False), folder)
    try:
        python.run("1"), ours.run("%%toolscript\n1"), ours.run("%%py\n1")
        times: dict[str, list[float]] = {"python": [], "script": [], "our python": []}
        for _ in range(CELLS):
            times["python"].append(timed(lambda: python.run("1 + 1")))
            times["script"].append(timed(lambda: ours.run("%%toolscript\n1 + 1")))
            times["our python"].append(timed(lambda: ours.run("%%py\n1 + 1")))
    finally:
        ended(python)
        ended(ours)
    return {name: statistics.median(found) * 1000 for name, found in times.items()}


def timed(act: Callable[[], Any]) -> float:
    """Return the seconds that an act took."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def completion(folder: Path) -> dict[str, float]:
    """Return milliseconds from Tab to the answer, at the 95th of 100, in a script of about a hundred lines.

    A local, a tool of an MCP server and a function of the notebook are completed.
    """
    configuration = folder / "configuration" / "toolscript"
    configuration.mkdir(parents=True, exist_ok=True)
    server = [sys.executable, str(ROOT / "tests" / "mcp_servers" / "proper.py")]
    (configuration / "toolscript.toml").write_text(f"[mcp.proper]\ncommand = {json.dumps(server)}\n")
    _, ours = started(manager_of(standin=False), folder, XDG_CONFIG_HOME=str(configuration.parent))
    found: dict[str, float] = {}
    try:
        ours.run(OWN_TOOL), ours.run("%%toolscript\nreturn 1")
        for name, typed, offer in TABS:
            times = [timed(lambda typed=typed, offer=offer: tab(ours, typed, offer)) for _ in range(101)][1:]
            found |= {f"p50 {name}": sorted(times)[50] * 1000, f"p95 {name}": sorted(times)[95] * 1000}
    finally:
        ended(ours)
    return found | {"p95": max(value for name, value in found.items() if name.startswith("p95"))}


def tab(kernel: Kernel, typed: str, offer: str) -> None:
    """Press Tab behind what is typed. Raises ValueError where the answer does not offer what it should."""
    code = "%%toolscript\n" + 'const a = await tools.exec({ command: ["ls"] });\n' * 100 + typed
    reply = kernel.ask("complete_request", {"code": code, "cursor_pos": len(code)})["content"]
    if not any(match.startswith(offer) for match in reply["matches"]):
        raise ValueError(f"behind {typed!r} the kernel offers {reply['matches'][:5]}, not {offer!r}")


class _Counting:
    """A view that only counts how often it is refreshed."""

    def __init__(self) -> None:
        self.count = 0

    def event(self, event: ev.BaseEvent) -> None:
        """Take an event."""

    def refresh(self, transcript: Any) -> float:
        """Count."""
        self.count += 1
        return 0.0

    def finish(self, transcript: Any) -> None:
        """Leave nothing."""


async def stream(seconds: float = 2.0, rate: int = 10_000) -> dict[str, float]:
    """Return updates a second that a page would get while the model writes ``rate`` deltas a second."""
    view = _Counting()
    watch = Watch(view)
    emitter = ev.Emitter().scoped(turn_id="t-1")
    begun = time.perf_counter()
    with emitter.listening(watch):
        emitter.emit(ev.TurnStarted, prompt="p", agent="a")
        sent = 0
        while (now := time.perf_counter() - begun) < seconds:
            while sent < now * rate:
                emitter.emit(ev.MessageDelta, text="word ")
                sent += 1
            await asyncio.sleep(0.001)
    watch.finish()
    lasted = time.perf_counter() - begun
    return {"deltas_per_second": sent / lasted, "updates_per_second": view.count / lasted}


def clicks(folder: Path) -> dict[str, float]:
    """Return the median milliseconds from a click in JupyterLab until the page shows that the script went on."""
    from tests.browser.lab import Lab, browser, open_page, server

    with server(folder / "lab") as running, browser() as chromium:
        running.notebook("clicks.ipynb", "%%toolscript\nawait shell('rm -f it')")
        lab = Lab(open_page(chromium), running, "clicks.ipynb")
        lab.open()
        times = []
        for _ in range(CLICKS):
            out = lab.run(0)
            button = out.get_by_role("button", name="Allow once")
            button.wait_for()
            lab.page.evaluate(UNTIL_COMPLETED)
            button.click()
            times.append(lab.page.evaluate("window.lasted"))
            lab.idle()
    return {"median": statistics.median(times), "worst": max(times)}


def main() -> None:
    """Print all figures as JSON, with the ratios that are promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", action="store_true", help="also measure a click in a real page")
    parser.add_argument("--write", action="store_true", help=f"measure all, and write {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toolscript-notebook-") as name:
        folder = Path(name)
        ready, cell, tabs = starts(folder), cells(folder), completion(folder)
        found: dict[str, Any] = {
            "ready_seconds": ready | {"ratio": ready["ours"] / ready["stock"], "promised": 1.25},
            "trivial_cell_ms": cell | {"difference": cell["script"] - cell["python"], "promised": 5.0},
            "completion_ms": tabs | {"promised_p95": 50.0},
            "stream": asyncio.run(stream()) | {"promised_updates": 20.0},
        }
        if arguments.page or arguments.write:
            found["click_to_resumed_ms"] = clicks(folder) | {"promised": 250.0}
    print(json.dumps(found, indent=2))
    if arguments.write:
        PAGE.write_text(page(found), "utf-8")


def page(found: dict[str, Any]) -> str:
    """Return the figures as a page for people."""
    ready, cell, tabs, sent = (found[k] for k in ("ready_seconds", "trivial_cell_ms", "completion_ms", "stream"))
    click = found["click_to_resumed_ms"]
    ipykernel, python = importlib.metadata.version("ipykernel"), platform.python_version()
    return f"""\
# What a person waits for in a notebook

Both kernels in one run, started and asked in turn, on one machine (Python {python}, ipykernel {ipykernel}); medians
unless said otherwise. `python benchmarks/notebook.py --write` measures again.

| what | stock Python kernel | toolscript | promised |
|---|---|---|---|
| start to first answer | {ready["stock"]:.2f} s | {ready["ours"]:.2f} s ({ready["ratio"]:.2f} ×) | at most {ready["promised"]} × |
| a trivial cell, submitted to idle | {cell["python"]:.1f} ms | {cell["script"]:.1f} ms for a script ({cell["difference"]:+.1f} ms), {cell["our python"]:.1f} ms for Python | at most {cell["promised"]:.0f} ms more |
| Tab in a script of a hundred lines, 95th of 100 | | {tabs["p95 local"]:.1f} ms for a local, {tabs["p95 MCP tool"]:.1f} ms for a tool of an MCP server, {tabs["p95 own tool"]:.1f} ms for a function of the notebook | at most {tabs["promised_p95"]:.0f} ms |
| updates a page gets at {sent["deltas_per_second"]:,.0f} deltas a second | | {sent["updates_per_second"]:.1f} a second | at most {sent["promised_updates"]:.0f} |
| click on *Allow once* to the script's end in the page | | {click["median"]:.0f} ms, worst {click["worst"]:.0f} ms | at most {click["promised"]:.0f} ms |
"""


if __name__ == "__main__":
    main()
