"""The documentation of the sandbox's tests names tests that exist, S1 to S20 and F1 to F30."""

from __future__ import annotations

import re
from pathlib import Path

from tests.harness.runtime.attack_cases import CASES

TESTS = Path(__file__).parents[2]
DOCUMENT = TESTS.parent / "docs" / "security-tests.md"


def test_each_promise_names_a_test_that_exists():
    rows = re.findall(r"^\| ([SF]\d+) \|.*`([^`]+)::(test_\w+)` \|$", DOCUMENT.read_text(), re.MULTILINE)

    assert [name for name, _, _ in rows] == [f"S{n}" for n in range(1, 21)] + [f"F{n}" for n in range(1, 31)]
    missing = [
        name for name, path, test in rows
        if not re.search(rf"^(?:async )?def {test}\(", (TESTS / path).read_text(), re.MULTILINE)
    ]  # fmt: skip
    assert missing == []


def test_every_test_that_the_document_names_is_there():
    named = set(re.findall(r"`([\w/.]+\.py)::(test_\w+)`", DOCUMENT.read_text()))

    missing = [
        f"{path}::{test}" for path, test in sorted(named)
        if not re.search(rf"^(?:async )?def {test}\(", (TESTS / path).read_text(), re.MULTILINE)
    ]  # fmt: skip
    assert len(named) > 80
    assert missing == []


def test_every_attack_that_is_played_stands_in_the_document():
    told = set()
    for row in re.findall(r"^\| ((?:[A-Z]{3}-\d+|[A-Z]{3}\b)[^|]*) \|", DOCUMENT.read_text(), re.MULTILINE):
        kind = ""
        for name, first, last in re.findall(r"([A-Z]{3})?-(\d+)(?: to -(\d+))?", row):
            kind = name or kind
            told |= {f"{kind}-{n:02}" for n in range(int(first), int(last or first) + 1)}

    assert {name.split()[0] for name in CASES} <= told
