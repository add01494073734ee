"""Decides that secrets of the environment are named, not shown, in all that toolscript shows in a notebook."""

from __future__ import annotations

import os

from toolscript.errors import Json
from toolscript.journal.redact import Redactor, secret_values


def hidden(value: Json) -> Json:
    """Return a JSON value with the environment's secrets replaced by their names, as journals have them."""
    return Redactor(secret_values(os.environ)).json(value)
