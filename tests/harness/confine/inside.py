"""Runs a few lines in a fresh process that confines itself, and returns what they printed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import toolscript

ROOT = str(Path(toolscript.__file__).parents[1])

PROLOGUE = """
import errno, os, signal, socket, sys
sys.path.insert(0, ROOT)
from pathlib import Path
from toolscript.confine import landlock, process, rlimits, seccomp
def tried(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"
"""


def inside(code: str, *arguments: str) -> list[str]:
    """Return the lines that the code printed; a process that died by a signal ends the list with its number."""
    source = PROLOGUE.replace("ROOT", repr(ROOT)) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-I", "-c", source, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode <= 0, done.stderr
    lines = done.stdout.splitlines()
    return [*lines, f"signal {-done.returncode}"] if done.returncode else lines
