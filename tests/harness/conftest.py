"""Fixtures of the harness's own tests."""

from __future__ import annotations

import pytest


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "config" / "toolscript").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    return tmp_path
