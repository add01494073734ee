from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.harness.confine.box import Box

from toolscript.confine import modes
from toolscript.confine.command import Commands


@pytest.fixture
async def box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Box]:
    # The tests' own directories lie in /tmp, where commands may write.
    monkeypatch.setattr(modes, "temporary_directories", lambda configured: ())
    async with Commands() as commands:
        yield Box(tmp_path, commands)
