"""Programs from elsewhere that tests measure us against: installed once by ``npm ci --prefix tests/oracles``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.needs import REQUIRE_ALL, need

ORACLES = Path(__file__).resolve().parent / "oracles"


def aimock() -> Path:
    """Return the program of @copilotkit/aimock, a server that speaks the providers' protocols; skip without it."""
    return _installed("@copilotkit/aimock/dist/cli.js")


def npm_program(name: str) -> str:
    """Return a program of the packages in ``tests/oracles``; skip without it, fail where everything must be there."""
    return str(_installed(f".bin/{name}"))


def _installed(name: str) -> Path:
    need("node")
    path = Path(os.environ.get("TOOLSCRIPT_ORACLES", ORACLES)) / "node_modules" / name
    if path.exists():
        return path
    reason = f"{name} is not installed: npm ci --prefix tests/oracles"
    if os.environ.get(REQUIRE_ALL):
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)
