from __future__ import annotations

import pytest

from toolscript.language.detector import Detector


@pytest.mark.timeout(20)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_ordinary_lines_in_a_code_fence_are_read_to_their_end(size: int):
    reply = "Look:\n\n```python\nreturn 1\n\n  x\n```\n\nDone.\n"
    detector = Detector()
    pieces = [p for start in range(0, len(reply), size) for p in detector.feed(reply[start : start + size])]
    pieces += detector.finish()

    assert "".join(p.text for p in pieces) == reply
