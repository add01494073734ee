"""The suite for live models is sound: it passes against a provider on loopback that says what a good model would.

What a live model makes of its prompts is another matter, and unproven until somebody runs ``make test-live``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest
from tests.harness.models.server import SILENCE, Answer, provider
from tests.harness.models.wires import WIRES, Asked, Text
from tests.harness.talking import script

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]

MEND = """const red = await exec({command: ["python3", "-B", "-m", "unittest"]});
const source = "def total(items):\\n    return sum(items)\\n";
await writeFile("prices.py", source);
const green = await exec({command: ["python3", "-B", "-m", "unittest"]});
return [red.exitCode, green.exitCode];"""
ADD = """const paths = (await fileSearch({pattern: "f*.txt"})).map((found) => found.path);
const texts = await Promise.all(paths.map((path) => readFile(path)));
return texts.reduce((sum, text) => sum + Number(text), 0);"""
FIND = """const lines = (await readFile("big.txt")).split("\\n");
return lines.filter((line) => line.includes("needle"));"""
NAMES = ("one", "two", "three")

SAID = (
    (Text("sixteen, ", "seventeen, ", "eighteen"),),
    (script("return readFile('a.txt')"),),
    (Text("It is marzipan."),),
    (script(ADD),),
    (Text("The sum is 105."),),
    (Asked("read_file", '{"path": "b.txt"}'),),
    (Text("It names vermilion."),),
    tuple(Asked("read_file", f'{{"path": "{name}.txt"}}', f"call_{name}") for name in NAMES),
    (Text("They are eno, owt and eerht."),),
    (script(MEND),),
    (Text("It passes now."),),
    (Text("Red."),),
    (Asked("read_file", '{"path": "start.txt"}'),),
    (Asked("read_file", '{"path": "middle.txt"}'),),
    (Asked("read_file", '{"path": "end.txt"}'),),
    (Text("It is 4711."),),
    None,
    (Text("ready"),),
    (script("return readFile('big.txt')"),),
    (script(FIND),),
    (Text("It is entry 1234."),),
    (Text("1522756"),),
)
"""What a good model says from I1 to I10, one reply each; None: it tells a story until it is stopped."""


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_the_suite_passes_with_a_model_that_does_everything_right(workplace, wire):
    story = Answer([wire.begun(Text("Once there was a lighthouse.")), SILENCE])
    answers = [story if parts is None else Answer([wire.reply(*parts)]) for parts in SAID]
    async with provider(*answers) as served:
        base = served.url.removesuffix("/v1") if wire.name == "anthropic-messages" else served.url
        text = f'[agents.stand-in]\nprovider = "{wire.name}"\nmodel = "m"\nbase_url = "{base}"\n'
        (workplace / "config" / "toolscript" / "toolscript.toml").write_text(text)
        keyless = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/live"]
        ran = await anyio.run_process(
            command, check=False, cwd=ROOT, env=keyless | {"TOOLSCRIPT_LIVE": "1", "TOOLSCRIPT_LIVE_AGENTS": "stand-in"}
        )

    assert ran.returncode == 0, ran.stdout.decode()[-3000:]
    assert b"10 passed, 30 skipped" in ran.stdout
    assert len(served.requests) == len(SAID)
