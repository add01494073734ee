"""What a script's run loads: nothing of what it does not use, so that the first result does not wait for it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATHS = [str(ROOT / package) for package in ("harness", "tools", "kernel", "extension")]
NEVER = (
    "openai", "anthropic", "httpx", "mcp", "jsonschema", "typer", "rich", "click", "tree_sitter", "regex", "pydantic_settings",
    "toolscript.turns", "toolscript.models", "toolscript.recovery", "toolscript.undos", "toolscript.agent.turn",
    "toolscript.agent.conversation", "toolscript.agent.environment", "toolscript.journal.conversation",
    "toolscript.approvals.plan", "toolscript.approvals.request", "toolscript.facade.consent", "toolscript.facade.planning",
    "toolscript.files.disk", "toolscript.confine.guard", "toolscript.runtime.zygote", "toolscript.language.blank",
    "toolscript_tools.shell", "toolscript_tools.editor", "toolscript_tools.patch", "toolscript_tools.mcp",
)  # fmt: skip
RUN = """
import asyncio, sys
sys.path[:0] = {paths!r}
from toolscript.harness import Harness
before = set(sys.modules)
async def main():
    async with Harness({workspace!r}) as harness:
        run = await harness.run({script!r})
        print(run.result, *sorted(sys.modules))
asyncio.run(main())
print(*sorted(before))
"""


def loaded(workplace: Path, script: str) -> tuple[str, set[str], set[str]]:
    """Return a script's result, the modules that were loaded when it came, and those that the door alone needs."""
    code = textwrap.dedent(RUN).format(paths=PATHS, workspace=str(workplace / "work"), script=script)
    environment = {"PATH": os.environ["PATH"], "XDG_CONFIG_HOME": str(workplace / "config"), "HOME": str(workplace)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    first, door = done.stdout.splitlines()
    result, *modules = first.split(" ")
    return result, set(modules), set(door.split(" "))


def of(modules: set[str], names: tuple[str, ...]) -> list[str]:
    return sorted(m for m in modules if any(m == name or m.startswith(f"{name}.") for name in names))


def test_a_script_without_calls_loads_no_models_no_turns_no_tools_and_nothing_that_recovers(workplace):
    result, modules, _ = loaded(workplace, "return 1")

    assert result == "1"
    assert of(modules, NEVER) == []


def test_the_door_alone_loads_next_to_nothing_so_that_workers_begin_before_the_rest_is_loaded(workplace):
    _, _, door = loaded(workplace, "return 1")

    rooms = (
        "journal",
        "facade",
        "approvals",
        "registry",
        "agent",
        "files",
        "confine",
        "language",
        "workshop",
        "runner",
    )
    assert of(door, tuple(f"toolscript.{room}" for room in rooms)) == []


@pytest.mark.parametrize(
    ("script", "used", "unused"),
    [
        ("return (await tools.listDir({path: '.'})).length", "toolscript_tools.files", "toolscript_tools.shell"),
        ("return (await tools.grepFiles({pattern: 'x'})).length", "toolscript_tools.search", "toolscript_tools.editor"),
    ],
)
def test_a_tool_is_loaded_with_its_first_call(workplace, script, used, unused):
    (workplace / "work" / "a.txt").write_text("x")
    result, modules, _ = loaded(workplace, script)

    assert result in ("x", "1")
    assert of(modules, (used,)) != []
    assert of(modules, (unused, "openai", "mcp", "toolscript.turns")) == []
