"""The documentation of the sandbox's tests names tests that exist, S1 to S20 and F1 to F30."""

from __future__ import annotations

import re
from pathlib import Path

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
