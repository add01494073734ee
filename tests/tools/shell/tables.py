"""Reads the tables of cases that stand beside the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PATCH = "*** Begin Patch\n*** Add File: foo\n+hi\n*** End Patch"


def table(name: str, part: str) -> list[Any]:
    """Return one list of a table."""
    return list(json.loads((Path(__file__).parent / "tables" / f"{name}.json").read_text())[part])


def patches(part: str) -> list[dict[str, Any]]:
    """Return rows about patches, with the patch in its place."""
    rows = table("patches", part)
    return [row | {"argv": [word.replace("{PATCH}", PATCH) for word in row["argv"]]} for row in rows]
