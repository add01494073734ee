"""The detector always goes on: whatever stands in a fence, in any chunks, is read to its end."""

from __future__ import annotations

import pytest

from toolscript.language.detector import Detector, Prose

FENCED = [
    "a\n```python\nreturn sum(x)\n```\nb",
    "```\nx",
    "~~~\n  y\n\n# z\n~~~\n",
    "> ```\n> q\n> ```\n",
    "```\n- item\n1. one\n> quote\n```",
    "text `span\nover` lines\n```js\nlet a;\n```\n",
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", FENCED)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_prose_with_code_is_read_to_its_end(text, size):
    detector = Detector()
    pieces = [p for i in range(0, len(text), size) for p in detector.feed(text[i : i + size])] + detector.finish()

    assert "".join(p.text for p in pieces if isinstance(p, Prose)) == text
