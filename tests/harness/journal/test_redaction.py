"""A line that is written as it is holds no secret, however the secret is spelled in it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as some

from toolscript.journal.codec import dumped
from toolscript.journal.redact import OPEN, Redactor

LETTERS = some.text(alphabet='ab"\\\n\t/é⟦\x7f\ud83d😀{}', max_size=6)
SECRETS = some.lists(some.text(alphabet='ab"\\\né😀\x7f', min_size=8, max_size=9), min_size=1, max_size=2, unique=True)
SPELLED = some.sampled_from([str, json.dumps, lambda text: json.dumps(text, ensure_ascii=False)])
OTHERS = some.sampled_from([0, 2**70, None])


@given(SECRETS, LETTERS, LETTERS, SPELLED, OTHERS)
def test_a_line_that_is_spared_has_no_text_that_would_be_changed(secrets, before, after, spelled, other):
    redactor = Redactor({f"S{n}": secret for n, secret in enumerate(secrets)})
    text = before + spelled(secrets[0]) + after
    line = dumped({"text": text, "list": [{"other": other}]})

    assert redactor.text(text) == text or not redactor.spares(line)
    assert not redactor.spares(dumped({text: other}))


@given(LETTERS)
def test_what_looks_like_a_marker_is_never_spared(text):
    assert not Redactor({}).spares(dumped([text + OPEN + text]))


@given(LETTERS)
def test_a_line_without_secrets_and_markers_is_spared(text):
    assert Redactor({"S": "no such text"}).spares(dumped({"text": text}))
