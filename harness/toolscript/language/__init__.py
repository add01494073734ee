"""From model text to runnable source."""
