"""The versions of ipykernel that tests run on: the installed one, 6.31 beside it, and any others that are asked for."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.needs import REQUIRE_ALL

FOLDER = Path(sys.prefix) / "other-ipykernels"
"""One folder for each other version, beside the environment's own packages; made once, and then there offline."""
ASKED = os.environ.get("TOOLSCRIPT_IPYKERNELS", "6.31.0").split()
"""The other versions, by their full numbers."""
ALL = [None, *ASKED]
"""Parameters for a fixture; None is the installed version."""


def have(version: str | None) -> str | None:
    """Return the version, there to be used; skips the calling test where it cannot be had, or fails it in CI."""
    if version is not None and not (FOLDER / version).is_dir() and (said := _install(version)):
        reason = f"there is no ipykernel {version} here, and none can be had: {said}"
        pytest.fail(reason) if os.environ.get(REQUIRE_ALL) else pytest.skip(reason)
    return version


def _install(version: str) -> str:
    """Put the version into its folder; returns what went wrong."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as place:
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "0",
            "--timeout", "10", "--no-deps", "--target", place, f"ipykernel=={version}",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=100)
        if done.returncode:
            return done.stderr.strip().rpartition("\n")[2]
        try:
            # As a whole or not at all: another process may be making the same.
            Path(place).rename(FOLDER / version)
            Path(place).mkdir()
        except OSError:
            return "" if (FOLDER / version).is_dir() else "its folder cannot be made"
    return ""
