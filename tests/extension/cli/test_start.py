"""What a command loads before it does anything, and how it is interrupted then."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from tests.extension.cli.test_run import COMMAND, environment, toolscript

from toolscript_extension.cli.app import COMMANDS, load

HEAVY = [
    "jsonschema",
    "lark",
    "nbformat",
    "nbclient",
    "IPython",
    "openai",
    "anthropic",
    "mcp",
    "httpx",
    "traitlets",
    "structlog",
]
HARNESS = ["toolscript.harness", "pydantic", "tree_sitter", "anyio", "toolscript_tools"]

LOADED = """
import json, sys
from toolscript_extension.cli import main
try:
    main()
finally:
    sys.__stderr__.write("loaded " + json.dumps([n for n in json.loads(sys.argv.pop(0)) if n in sys.modules]) + "\\n")
"""


@pytest.mark.parametrize(
    ("arguments", "unwanted"), [(["--help"], HEAVY + HARNESS), (["tools"], HEAVY), (["run", "-"], HEAVY)]
)
def test_a_command_loads_only_what_it_needs(tmp_path, arguments, unwanted):
    # argv[0] carries what to look for; the command line reads what is behind it.
    program = f"import sys; sys.argv[0] = {json.dumps(unwanted)!r}\n{LOADED.replace('sys.argv.pop(0)', 'sys.argv[0]')}"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, env=environment(), input="return 1",
        capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr.rpartition("loaded ")[2]) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_each_command_what_its_own_help_says(name):
    command = load(name)

    assert command.help is not None
    assert command.help.splitlines()[0] == COMMANDS[name].says


def test_every_command_explains_itself_with_examples(tmp_path):
    listed = toolscript(tmp_path, "--help").stdout

    for name in COMMANDS:
        told = toolscript(tmp_path, name, "--help")
        assert told.returncode == 0
        assert f"toolscript {name}" in told.stdout and "Examples:" in told.stdout, told.stdout
        assert name in listed
    assert "130" in listed and "Exit codes" in listed


class Paused:
    """A command that stops where it would load a module, so that it can be interrupted exactly there."""

    HOOK = """
import os, sys
class Hook:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.write({ready}, b"x")
            os.read({go}, 1)
            import time
            time.sleep(30)
sys.meta_path.insert(0, Hook())
"""

    def __init__(self, module: str, *arguments: str) -> None:
        self._seen, ready = os.pipe()
        go, self._release = os.pipe()
        program = self.HOOK.format(module=module, ready=ready, go=go) + COMMAND[-1]
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments], env=environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=(ready, go), start_new_session=True,
        )  # fmt: skip
        os.close(ready)
        os.close(go)

    def interrupt(self) -> tuple[int, str]:
        assert os.read(self._seen, 1) == b"x"
        self.process.send_signal(signal.SIGINT)
        told = "".join(self.process.communicate(timeout=20))
        os.close(self._seen)
        os.close(self._release)
        return self.process.returncode, told


@pytest.mark.parametrize(
    "module", ["toolscript_extension.cli.app", "typer", "toolscript_extension.cli.run", "pydantic"]
)
def test_ctrl_c_while_modules_load_ends_the_command_without_a_word(module):
    assert Paused(module, "run", "-").interrupt() == (130, "")
