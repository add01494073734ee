from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.tools.shell.bench import Bench

from toolscript.confine.command import Commands


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    root = tmp_path / "workspace"
    root.mkdir()
    async with Commands() as commands:
        yield Bench.of(root.resolve(), commands)
