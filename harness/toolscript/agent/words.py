"""Decides the words in which a configuration says how an agent works; they need nothing else to be loaded."""

from __future__ import annotations

from typing import Literal

Mode = Literal["off", "dry-run", "on"]
"""Whether scripts are only shown, planned, or run."""
AfterScript = Literal["continue", "stop"]
"""Whether what follows a script in a reply is read."""
DEFAULT_BUDGET = 16 * 1024
"""Bytes of one run's output that a model is shown."""
