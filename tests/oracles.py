"""Programs from elsewhere that tests measure us against; each is installed once, beside the checkout's own files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.needs import REQUIRE_ALL, need

ROOT = Path(__file__).resolve().parent.parent
AIMOCK = "1.43.0"


def aimock() -> Path:
    """Return the program of @copilotkit/aimock, a server that speaks the providers' protocols; skip without it."""
    need("node")
    home = ROOT / ".artefacts" / f"aimock-{AIMOCK}"
    program = home / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    if not program.exists():
        _npm_install(home, f"@copilotkit/aimock@{AIMOCK}")
    if program.exists():
        return program
    reason = "@copilotkit/aimock is not installed, and npm could not install it"
    if os.environ.get(REQUIRE_ALL):
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def npm_program(name: str) -> str:
    """Return a program of the packages in ``tests/oracles``; skip without it, fail where everything must be there."""
    need("node")
    home = Path(os.environ.get("TOOLSCRIPT_ORACLES", ROOT / "tests" / "oracles"))
    program = home / "node_modules" / ".bin" / name
    if program.exists():
        return str(program)
    reason = f"{name} is not installed: npm ci --prefix tests/oracles"
    if os.environ.get(REQUIRE_ALL):
        pytest.fail(reason)
    pytest.skip(reason)


def _npm_install(home: Path, package: str) -> None:
    if (npm := shutil.which("npm")) is None:
        return
    home.mkdir(parents=True, exist_ok=True)
    command = [
        npm,
        "install",
        "--prefix",
        str(home),
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--fetch-retries=0",
    ]
    subprocess.run([*command, package], capture_output=True, timeout=90, check=False, cwd=home)
