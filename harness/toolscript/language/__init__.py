"""Decides how model text becomes runnable source: found, parsed, its types blanked."""
