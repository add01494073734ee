"""Decides that secrets of the environment are named, not shown, in all that toolscript shows in a notebook."""

from __future__ import annotations

import os
from functools import lru_cache

from toolscript.errors import Json
from toolscript.journal.redact import Redactor, secret_values


def hidden(value: Json) -> Json:
    """Return a JSON value with the environment's secrets replaced by their names, as journals have them."""
    return _redactor(tuple(os.environ.items())).json(value)


@lru_cache(maxsize=1)
def _redactor(environment: tuple[tuple[str, str], ...]) -> Redactor:
    return Redactor(secret_values(dict(environment)))
