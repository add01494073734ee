"""Fixtures for tests of approvals."""

from __future__ import annotations

import pytest
from tests.harness.approvals.parts import Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()
