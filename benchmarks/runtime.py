"""Measures what a script costs: latency, throughput, limits, memory; beside peers where they are installed.

    python benchmarks/runtime.py                  ours, and every peer that is installed, alternating in one run
    python benchmarks/runtime.py --quick          fewer rounds, to see that it works
    python benchmarks/runtime.py --json FILE      the same figures as JSON
    python benchmarks/runtime.py --write          the page docs/benchmarks/runtime.md; only on a machine that rests
    make bench-peers                              installs the peers, then measures

Ours is measured through the whole of ``Harness.run``, with events and journal; peers through their shortest way.
Latency is that of one script after the other, eight in a row and then a rest: what a system does behind its answers, such
as preparing the next workers, need not be in it. Throughput has no rests. What is written to disk is removed at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), *(str(ROOT / package) for package in ("harness", "tools", "kernel", "extension"))]

from benchmarks import limits  # noqa: E402
from benchmarks.peers.work import JAVASCRIPT  # noqa: E402

PEERS = Path(__file__).resolve().parent / "peers"
INSTALLED = ROOT / ".artefacts" / "peers"
AT_ONCE = (1, 4, 16)
IN_A_ROW, PAUSE_SECONDS = 8, 0.06
PAGE = ROOT / "docs" / "benchmarks" / "runtime.md"
HEAD = """# What a script costs

Written by `make bench-peers` and `python benchmarks/runtime.py --write`; every system in one run, in turns. Ours is the
whole of `Harness.run`: a fresh context in a locked-down process of its own, events, and a journal on disk. Latency is
that of one script after the other, eight in a row and then a rest of 60 ms, in which a system can prepare what the next
eight need (ours keeps sixteen workers ready); throughput has no rests. What only the first of a row takes, on a machine whose
caches have gone cold, has a table of its own.

- Peers run in fewer walls: smolagents and quickjs-rs in the caller's own process, langchain-quickjs in a thread of
  it, `run`, `@ai-sdk/code-mode` and quickjs-emscripten in threads of Node. pydantic-monty runs its own dialect of Python in
  processes of its own.
- Where our time goes: a fifth of a no-op passes before its worker has the script, two fifths in the worker, a quarter behind its
  answer. A call in sequence is two messages, a dozen steps from its arguments to its record, and the engine's part, about a third
  each. Locking a worker down and copying the pages that it will write to takes several times as long as a no-op, and happens
  before the script comes; where scripts come without a rest, it is half of all that is done.
- While one script runs alone, its worker gets ready as soon as it is asked for (decision 35) and keeps off its host's processor
  (36), both sides look for the other's answer before they wait for it (32), and the script hears of answers while others of its calls
  begin (38).
- Cold is a new process: `asyncio`, `anyio`, `pydantic` and our events are imported, and from there on the clock runs until
  the first result of a new harness in an empty workspace, every other import included. The second line has among the
  imports before what `anyio`, which imports lazily, loads to run on asyncio, and the models of the configuration: then all
  pydantic models of ours that a run needs are there. Bytecode is at hand, as after an installation. The process that workers descend from loads meanwhile, on another core.
- With 16 uses per worker a process serves 16 scripts, each in a fresh context.
- Python is the one of the distribution. With one that was compiled without its optimisations, ours takes about an eighth longer.
"""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Times of one piece of work in milliseconds."""

    n: int
    low: float
    median: float
    p99: float

    @classmethod
    def of(cls, times: list[float]) -> Figure:
        ordered = sorted(times)
        last = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        return cls(n=len(ordered), low=ordered[0], median=statistics.median(ordered), p99=last)

    def __str__(self) -> str:
        return f"{self.low:.2f} / **{self.median:.2f}** / {self.p99:.2f}"


_Figures = dict[str, dict[str, Figure | str]]


class Runner:
    """One system's runner: a process that does what it is told and says how long it took."""

    def __init__(self, name: str, command: list[str], cwd: Path) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "PYTHONPATH": str(PEERS)} if "peers" in str(cwd) else None,
        )  # fmt: skip

    def ask(self, work: str, n: int, at: int = 1, row: int = 1, pause: float = 0.0) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            order = {"work": work, "n": n, "at": at, "row": row, "pause": pause}
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"error": "the runner ended"}

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def runners(peers: Path, state: Path) -> list[Runner]:
    """Return a runner for each system that is there; what ours writes down stays in ``state``."""
    ours = str(PEERS / "ours.py")
    found = [
        Runner("toolscript", [sys.executable, ours, str(state), "1"], ROOT),
        Runner("toolscript, 16 uses", [sys.executable, ours, str(state), "16"], ROOT),
    ]
    python = peers / "py" / "bin" / "python"
    for name, module, program in (
        ("pydantic-monty", "pydantic_monty", "monty"), ("quickjs-rs", "quickjs_rs", "wasmtime_quickjs_rs"),
        ("langchain-quickjs", "langchain_quickjs", "langchain_repl"), ("smolagents", "smolagents", "smolagents_local"),
    ):  # fmt: skip
        if python.exists() and list(peers.glob(f"py/lib/*/site-packages/{module}")):
            found.append(Runner(name, [str(python), str(PEERS / f"{program}.py")], peers))
    for name, program in (("run", "run"), ("@ai-sdk/code-mode", "code_mode"), ("quickjs-emscripten", "emscripten")):
        if (peers / "js" / "node_modules" / name).exists():
            found.append(Runner(name, ["node", str(peers / "js" / f"{program}.mjs")], peers))
    return found


def latencies(systems: list[Runner], rounds: int, n: int) -> tuple[_Figures, _Figures]:
    """Ask every system for every piece of work, in turns, so that what disturbs one disturbs all.

    Returns the figures of all scripts, and of those that came first after a rest.
    """
    times: dict[str, dict[str, list[float]]] = {work: {} for work in JAVASCRIPT}
    errors: dict[str, dict[str, str]] = {work: {} for work in JAVASCRIPT}
    for work in JAVASCRIPT:
        for at in range(rounds + 1):
            for system in systems:
                if system.name in errors[work]:
                    continue
                answer = system.ask(work, n, row=IN_A_ROW, pause=PAUSE_SECONDS)
                if "error" in answer:
                    errors[work][system.name] = answer["error"]
                elif at > 0:  # the first round warms up
                    times[work].setdefault(system.name, []).extend(answer["ms"])

    def each(step: int) -> _Figures:
        return {w: errors[w] | {n: Figure.of(found[::step]) for n, found in times[w].items()} for w in JAVASCRIPT}

    return each(1), each(IN_A_ROW)


def throughputs(systems: list[Runner], rounds: int, n: int) -> dict[int, dict[str, float]]:
    """Return scripts a second, ten parallel calls each, by how many run at once; the median of the rounds."""
    found: dict[int, dict[str, list[float]]] = {at: {} for at in AT_ONCE}
    for turn in range(rounds + 1):
        for at in AT_ONCE:
            for system in systems:
                answer = system.ask("10 parallel", n, at)
                if "error" not in answer and turn > 0:  # the first round warms up
                    found[at].setdefault(system.name, []).append(n / answer["seconds"])
    return {at: {name: statistics.median(rates) for name, rates in by.items()} for at, by in found.items()}


def machine() -> str:
    model = next(
        (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    busy = os.getloadavg()[0]
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({model}), {system}, load {busy:.1f}"


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


def table(head: str, names: list[str], rows: dict[str, dict[str, Any]]) -> str:
    lines = [f"| {head} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row, cells in rows.items():
        texts = [_cell(cells.get(name)) for name in names]
        lines.append(f"| {row} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.0f}"
    return "–" if value is None or isinstance(value, str) else str(value)


def report(figures: dict[str, Any], names: list[str]) -> str:
    own = "\n".join(f"| {what} | {value} |" for what, value in figures["ours"].items())
    return "\n\n".join([
        f"Machine: {figures['machine']}",
        "Milliseconds, min / **median** / p99; – where a system cannot do it:",
        table("work", names, figures["latency"]),
        "Of these, the first after a rest:",
        table("work", names, figures["after a rest"]),
        "Scripts a second, ten parallel calls each:",
        table("at once", names, {str(at): by for at, by in figures["throughput"].items()}),
        f"| toolscript | |\n|---|---|\n{own}",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument("--write", action="store_true", help=f"write the page {PAGE.relative_to(ROOT)}")
    parser.add_argument("--peers", type=Path, default=INSTALLED, help="where the peers are installed")
    options = parser.parse_args()
    rounds, n, many = (1, 8, 20) if options.quick else (5, 24, 100)
    began = machine()
    with tempfile.TemporaryDirectory() as state:
        systems = runners(options.peers, Path(state))
        try:
            latency, first = latencies(systems, rounds, n)
            figures: dict[str, Any] = {
                "machine": began,
                "latency": latency,
                "after a rest": first,
                "throughput": throughputs(systems, rounds, many),
            }
        finally:
            for system in systems:
                system.close()
    figures["ours"] = asyncio.run(limits.measured(quick=options.quick))
    said = report(figures, [system.name for system in systems])
    print(said)
    if options.write:
        PAGE.write_text(f"{HEAD}\n{said}\n")
    if options.json:
        plain = json.dumps(figures, default=lambda f: asdict(f) if isinstance(f, Figure) else str(f), indent=1)
        options.json.write_text(plain)


if __name__ == "__main__":
    main()
