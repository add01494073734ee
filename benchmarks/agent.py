"""Measures what a workflow costs as structured calls and as scripts: round trips, prompt bytes and tokens, time.

    python benchmarks/agent.py                     scripted models, the real adapter, real tools; offline
    python benchmarks/agent.py --write docs/...    the same, kept as Markdown with a plot
    python benchmarks/agent.py --live AGENT        a live model of your configuration does the workflows

With scripted models the words of the model are written down beforehand, so nothing is said about whether a model
finds the way: completion rates are unproven until somebody runs it with a key.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), *(str(ROOT / package) for package in ("harness", "tools", "kernel", "extension"))]

from tests.harness.models.server import Answer, provider  # noqa: E402
from tests.harness.models.wires import WIRES, Asked, Text, Wire  # noqa: E402

from benchmarks.workflows import WORKFLOWS, Workflow  # noqa: E402
from toolscript.agent.configuration import load  # noqa: E402
from toolscript.agent.turn import Turn  # noqa: E402
from toolscript.approvals.rules import Rule  # noqa: E402
from toolscript.harness import Harness  # noqa: E402

WAYS = ("calls", "scripts")
BYTES_PER_TOKEN = 4
ALLOWED = (Rule(tool="exec", verdict="allow", arguments={"command": ["**"]}),)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one workflow took, one way. ``fresh`` are prompt bytes that no earlier request of the turn had."""

    trips: int
    prompt: int
    fresh: int
    written: int
    seconds: float
    done: bool

    @property
    def tokens(self) -> int:
        return self.prompt // BYTES_PER_TOKEN


def replies(workflow: Workflow, way: str, wire: Wire) -> list[bytes]:
    """Return the streams of a model that does the workflow this way, its answer last."""
    if way == "scripts":
        steps = [wire.reply(Text(f"<tool-calls>{source}</tool-calls>")) for source in workflow.scripts]
    else:
        numbered = [list(enumerate(step)) for step in workflow.calls]
        steps = [
            wire.reply(*(Asked(name, json.dumps(arguments), f"call_{n}_{i}") for i, (name, arguments) in step))
            for n, step in enumerate(numbered)
        ]
    return [*steps, wire.reply(Text(workflow.answer))]


def written(workflow: Workflow, way: str) -> int:
    """Return the bytes that the model writes."""
    if way == "scripts":
        return sum(len(s.encode()) + 26 for s in workflow.scripts) + len(workflow.answer)
    calls = [call for step in workflow.calls for call in step]
    return sum(len(name) + len(json.dumps(arguments)) for name, arguments in calls) + len(workflow.answer)


async def scripted(workflow: Workflow, way: str, wire: Wire) -> Cost:
    """Do a workflow once with a scripted model through the real adapter, with real tools."""
    streams = [Answer([body]) for body in replies(workflow, way, wire)]
    async with provider(*streams) as served:
        base = served.url.removesuffix("/v1") if wire.name == "anthropic-messages" else served.url
        configuration = "".join(
            f'[agents.{name}]\nprovider = "{wire.name}"\nmodel = "scripted"\nbase_url = "{base}"\n{rest}'
            for name, rest in TERMS.items()
        )
        with place(configuration) as root:
            turn, seconds, done = await one(workflow, root, way)
    sizes = [in_order(body) for body in served.requests]
    return Cost(
        trips=len(sizes), prompt=sum(map(len, sizes)), fresh=fresh_bytes(sizes), written=written(workflow, way),
        seconds=seconds, done=done and not [run.error for run in turn.runs if run.error],
    )  # fmt: skip


TERMS = {"calls": 'mode = "off"\nstructured = true\n', "scripts": 'mode = "on"\nstructured = false\n'}
"""Each way is prompted for itself alone: schemas of functions for calls, the facade for scripts."""


@contextmanager
def place(configuration: str) -> Iterator[Path]:
    """Give an empty workspace, with configuration and state of its own beside it."""
    with tempfile.TemporaryDirectory(prefix="toolscript-bench-") as folder:
        top = Path(folder)
        (top / "config" / "toolscript").mkdir(parents=True)
        (top / "config" / "toolscript" / "toolscript.toml").write_text(configuration)
        (top / "work").mkdir()
        os.environ |= {"XDG_CONFIG_HOME": str(top / "config"), "XDG_STATE_HOME": str(top / "state")}
        yield top / "work"


async def one(workflow: Workflow, root: Path, agent: str) -> tuple[Turn, float, bool]:
    """Run one turn; starting the harness is not counted."""
    workflow.files(root)
    async with Harness(root, agent=agent, rules=ALLOWED) as harness:
        began = time.perf_counter()
        turn = await harness.turn(workflow.prompt)
        seconds = time.perf_counter() - began
    if turn.error or turn.status != "completed":
        print(f"{workflow.name}, {agent}: {turn.status}: {turn.reason} {turn.error}", file=sys.stderr)
    for run in turn.runs:
        if run.error:
            print(f"{workflow.name}, {agent}: {run.error}", file=sys.stderr)
    return turn, seconds, turn.status == "completed" and workflow.done(root, turn.text)


def in_order(body: dict) -> bytes:
    """Return a request as its provider reads it: instructions and tools first, then what was said."""
    last = ("input", "messages")
    ordered = {name: body[name] for name in sorted(body, key=lambda name: (name in last, name))}
    return json.dumps(ordered, ensure_ascii=False).encode()


def fresh_bytes(requests: list[bytes]) -> int:
    """Return the bytes that a prompt cache cannot have: what follows the prefix shared with the request before."""
    total = len(requests[0])
    for before, after in itertools.pairwise(requests):
        shared = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
        total += len(after) - shared
    return total


async def measure(wire: Wire, repeat: int) -> dict[str, dict[str, Cost]]:
    found: dict[str, dict[str, Cost]] = {}
    for workflow in WORKFLOWS:
        for way in WAYS:
            costs = [await scripted(workflow, way, wire) for _ in range(repeat)]
            seconds = statistics.median(cost.seconds for cost in costs)
            done = all(cost.done for cost in costs)
            found.setdefault(workflow.name, {})[way] = replace(costs[0], seconds=seconds, done=done)
        print(f"  {workflow.name}", file=sys.stderr)
    return found


def table(found: dict[str, dict[str, Cost]]) -> str:
    """Return the Markdown table: calls and scripts side by side."""
    head = "| workflow | round trips | prompt bytes | ≈ tokens | of them fresh bytes | written bytes | seconds | done |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for name, ways in [*found.items(), ("**all**", total(found))]:
        c, s = ways["calls"], ways["scripts"]
        cells = [
            f"{c.trips} → {s.trips}", f"{c.prompt:,} → {s.prompt:,}", f"{c.tokens:,} → {s.tokens:,}",
            f"{c.fresh:,} → {s.fresh:,}", f"{c.written:,} → {s.written:,}", f"{c.seconds:.2f} → {s.seconds:.2f}",
            "both" if c.done and s.done else f"calls {c.done}, scripts {s.done}",
        ]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def total(found: dict[str, dict[str, Cost]]) -> dict[str, Cost]:
    return {
        way: Cost(
            trips=sum(f[way].trips for f in found.values()), prompt=sum(f[way].prompt for f in found.values()),
            fresh=sum(f[way].fresh for f in found.values()), written=sum(f[way].written for f in found.values()),
            seconds=sum(f[way].seconds for f in found.values()), done=all(f[way].done for f in found.values()),
        )
        for way in WAYS
    }  # fmt: skip


def plot(found: dict[str, dict[str, Cost]]) -> str:
    """Return an SVG of bars: prompt bytes of each workflow, both ways."""
    most = max(cost.prompt for ways in found.values() for cost in ways.values())
    rows, colours = [], {"calls": "#b5651d", "scripts": "#2a6f97"}
    for n, (name, ways) in enumerate(found.items()):
        top = 46 + n * 40
        rows.append(f'<text x="232" y="{top + 14}" text-anchor="end">{name}</text>')
        for k, way in enumerate(WAYS):
            width, y = 520 * ways[way].prompt / most, top + k * 14
            label = f"{ways[way].prompt / 1000:.0f} kB, {ways[way].trips} requests"
            rows.append(f'<rect x="240" y="{y}" width="{width:.0f}" height="12" fill="{colours[way]}"/>')
            rows.append(f'<text x="{246 + width:.0f}" y="{y + 10}" font-size="10">{label}</text>')
    legend = "".join(
        f'<rect x="{240 + 130 * k}" y="16" width="12" height="12" fill="{colours[way]}"/>'
        f'<text x="{258 + 130 * k}" y="26">{way}</text>'
        for k, way in enumerate(WAYS)
    )
    height = 60 + 40 * len(found)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 {height}" font-family="sans-serif" font-size="12">'
        f"<title>Prompt bytes of ten workflows as structured calls and as scripts</title>"
        f'<rect width="900" height="{height}" fill="white"/>{legend}{"".join(rows)}</svg>\n'
    )


SAID = f"""\
Round trips and bytes are of **scripted models**: their words were written down beforehand, in
`benchmarks/workflows.py`, and went through the real adapter ({{wire}}) to the real tools. They show what each way
costs when it succeeds at the first attempt. Whether a model finds the way is another question: **completion rates
are unproven** until somebody runs `python benchmarks/agent.py --live AGENT` with a key. Tokens are bytes divided by
{BYTES_PER_TOKEN}, no tokenizer. Each way is prompted for itself alone: calls with the schemas of all tools, scripts
with the facade's declarations. Prompt bytes are the sum of all requests of a turn; *fresh* bytes are those behind
the prefix that a request shares with the one before, so what a prompt cache cannot have. Seconds are the harness, the
tools and the SDK, the median of {{repeat}} runs on one machine; a model's own time would come on top, for each trip.
"""


def page(found: dict[str, dict[str, Cost]], wire: Wire, repeat: int, picture: str) -> str:
    said = SAID.format(wire=wire.name, repeat=repeat)
    return f"# What a workflow costs: calls and scripts\n\n{said}\n{table(found)}\n\n![Prompt bytes]({picture})\n"


async def live(agent: str, repeat: int) -> None:
    """Let a configured agent do every workflow both ways, and report how often it completed them."""
    chosen = load(Path.cwd()).choose(agent).agent
    fields = chosen.model_dump(mode="json", exclude_none=True, exclude={"id", "mode", "structured", "instructions"})
    base = "".join(f"{name} = {toml(value)}\n" for name, value in fields.items())
    text = "".join(f"[agents.{way}]\n{base}{rest}" for way, rest in TERMS.items())
    print(f"| workflow | way | completed | steps | input tokens | output tokens | seconds |\n|{'---|' * 7}")
    for workflow in WORKFLOWS:
        for way in WAYS:
            print(await live_row(workflow, way, text, repeat), flush=True)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)


async def live_row(workflow: Workflow, way: str, configuration: str, repeat: int) -> str:
    tried = []
    for _ in range(repeat):
        with place(configuration) as root:
            tried.append(await one(workflow, root, way))
    turns, seconds, done = zip(*tried, strict=True)
    middle = statistics.median
    return (
        f"| {workflow.name} | {way} | {sum(done)} of {repeat} | {middle(t.steps for t in turns):g} "
        f"| {middle(t.usage.input_tokens for t in turns):g} | {middle(t.usage.output_tokens for t in turns):g} "
        f"| {middle(seconds):.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wire", choices=[w.name for w in WIRES], default=WIRES[0].name)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", type=Path, help="a Markdown file; the plot goes beside it")
    parser.add_argument("--live", metavar="AGENT", help="an agent of your toolscript.toml, with its key set")
    options = parser.parse_args()
    if options.live:
        asyncio.run(live(options.live, options.repeat))
        return
    wire = next(w for w in WIRES if w.name == options.wire)
    found = asyncio.run(measure(wire, options.repeat))
    if options.write:
        picture = options.write.with_suffix(".svg")
        picture.write_text(plot(found))
        options.write.write_text(page(found, wire, options.repeat, picture.name))
    print(SAID.format(wire=wire.name, repeat=options.repeat) + "\n" + table(found))


if __name__ == "__main__":
    main()
