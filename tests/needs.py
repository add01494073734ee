"""Skips tests whose machine lacks something, and fails them instead where everything must be there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

REQUIRE_ALL = "TOOLSCRIPT_TESTS_REQUIRE_ALL"
"""Set (by continuous integration) to make a missing requirement a failure."""


def _user_namespaces() -> bool:
    program = shutil.which("unshare")
    return program is not None and subprocess.run([program, "-Ur", "true"], capture_output=True).returncode == 0


def _confinement(feature: str) -> bool:
    from toolscript.confine.detect import detect

    return bool(getattr(detect(), feature))


CHECKS: dict[str, Callable[[], bool]] = {
    "chromium": lambda: shutil.which("chromium") is not None,
    "node": lambda: shutil.which("node") is not None,
    "ripgrep": lambda: shutil.which("rg") is not None,
    "bubblewrap": lambda: shutil.which("bwrap") is not None,
    "user namespaces": _user_namespaces,
    "landlock": lambda: _confinement("landlock"),
    "seccomp": lambda: _confinement("seccomp"),
}


def need(*what: str) -> None:
    """Skip the calling test (or module) where the machine lacks one of these; fail instead under REQUIRE_ALL."""
    missing = [name for name in what if not CHECKS[name]()]
    if not missing:
        return
    reason = f"this machine has no {', '.join(missing)}"
    if os.environ.get(REQUIRE_ALL):
        pytest.fail(f"{reason}, and {REQUIRE_ALL} is set")
    pytest.skip(reason, allow_module_level=True)
