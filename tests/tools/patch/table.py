"""Reads the table of cases; a case is named by its facts, so that a failure says what broke."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("cases.json").read_text(encoding="utf-8"))
LEGACY, PRESERVE = "legacy", "preserve"


def rows(kind: str) -> list[Any]:
    """Return the rows of one kind as parameters, each with its name as id."""
    return [pytest.param(row, id=row["name"]) for row in CASES[kind]]


def rows_by_mode(kind: str) -> list[Any]:
    """Return the rows of one kind once for each mode of line endings that they speak of."""
    return [pytest.param(row, mode, id=f"{row['name']} [{mode}]") for row in CASES[kind] for mode in row["modes"]]


def plant(root: Path, files: dict[str, str]) -> None:
    """Write the files of a case, byte for byte."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())


def harvest(root: Path) -> dict[str, str]:
    """Return all files below the root as a case states them."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes().decode()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
